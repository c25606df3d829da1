/**
 * The plugin by which Ansible tells what it did: ansible-core prints results for people only. It is Python, run by ansible-playbook in
 * its own process, and stands here as a text because it must be found from a checkout and from a bundled program alike.
 *
 * Bytes of the file that it writes: one JSON object a line, each of these members, and valid if the last is `end`.
 *
 * | line                                          | is                                                        |
 * |-----------------------------------------------|-----------------------------------------------------------|
 * | `{"type": "task", "name", "how", …}`          | one task on this machine; `how` as in `TaskEvent`          |
 * | `{"type": "closed", "index"}`                | the window closed before this resource, so nothing of it was begun |
 * | `{"type": "unmatched"}`                       | a play that is not for this machine                        |
 * | `{"type": "end", "failures": N}`              | the run came to its end; failures that nothing rescued     |
 *
 * Every text is cut, and beyond `bytesMax` tasks are left out: a playbook may loop over anything.
 */
import { closedFile } from '#policy/compile/compiler.ts'

export const callbackName = 'grapevine'

/** Of all lines together. */
const bytesMax = 8_388_608

export const callbackText = `"""Tells what Ansible did, one JSON object a line, into the file $GRAPEVINE_RESULTS."""
import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: ${callbackName}
type: stdout
short_description: results for Grapevine
description: One JSON object a line into the file that GRAPEVINE_RESULTS names.
"""


def text(value):
    return value if isinstance(value, str) else json.dumps(value, default=str)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "${callbackName}"

    def __init__(self):
        super().__init__()
        self.room = ${bytesMax}
        self.resource = None
        self.file = open(os.environ["GRAPEVINE_RESULTS"], "w", encoding="ascii")

    def tell(self, **event):
        line = json.dumps(event) + "\\n"
        self.room -= len(line)
        if self.room > 0 or event["type"] != "task":
            self.file.write(line)
            self.file.flush()

    def told(self, result, how):
        found = result._result
        items = [item for item in found.get("results") or [] if isinstance(item, dict)]
        words = [item.get("msg") for item in items if item.get("failed")] or [found.get("msg")]
        event = {"type": "task", "name": result._task.get_name()[:300], "how": how}
        message = " | ".join(text(word) for word in words if word)
        if message:
            event["message"] = message[:2000]
        for key, names in {"stdout": ["stdout", "module_stdout"], "stderr": ["stderr", "module_stderr"]}.items():
            printed = "".join(text(found.get(name) or "") for name in names)
            if printed:
                event[key] = printed[-4000:]
        if how == "skipped":
            event["message"] = text(found.get("skip_reason") or "")[:300]
        invocation = found.get("invocation") or {}
        places = [found, invocation.get("module_args") or {}, invocation]
        paths = [place.get(key) for place in places for key in ("dest", "path") if place.get(key)]
        if paths:
            event["path"] = text(paths[0])[:1024]
            event["absent"] = not os.path.lexists(text(paths[0]))
        diff = found.get("diff")
        before = diff.get("before") if isinstance(diff, dict) else None
        if isinstance(before, dict):
            event["before"] = {key: text(before[key])[:200] for key in ("state", "mode", "owner", "group") if key in before}
        self.tell(**event)

    def v2_playbook_on_task_start(self, task, is_conditional):
        # Looked for once a resource, since one that was begun is finished. What runs the tasks is forked after this.
        index = task.get_name().split(" ")[0]
        if index == self.resource:
            return
        self.resource = index
        closed = os.path.exists(os.path.join(os.environ["GRAPEVINE_SCRATCH"], "${closedFile}"))
        os.environ["GRAPEVINE_OPEN"] = "" if closed else "open"
        if closed:
            self.tell(type="closed", index=index[:20])

    def v2_runner_on_ok(self, result):
        self.told(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.told(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result):
        self.told(result, "failed")

    def v2_runner_on_skipped(self, result):
        self.told(result, "skipped")

    def v2_playbook_on_no_hosts_matched(self):
        self.tell(type="unmatched")

    def v2_playbook_on_stats(self, stats):
        self.tell(type="end", failures=sum(stats.failures.values()) + sum(stats.dark.values()))
`

/** Of one task, as the plugin tells it. */
export interface TaskEvent {
  readonly name: string
  readonly how: 'ok' | 'changed' | 'failed' | 'ignored' | 'skipped'
  readonly message?: string
  readonly stdout?: string
  readonly stderr?: string
  /** The file that it is about. */
  readonly path?: string
  /** After the task that file is not there. */
  readonly absent?: boolean
  /** What a module found before it changed it: state, mode, owner, group. */
  readonly before?: Readonly<Record<string, string>>
}

export interface RunEvents {
  readonly tasks: readonly TaskEvent[]
  /** Indexes of resources that were not begun: the window closed. */
  readonly closed: ReadonlySet<number>
  /** Plays that were not for this machine. */
  readonly unmatched: number
  /** Undefined where the run did not come to its end. */
  readonly failures: number | undefined
}

/** What the plugin wrote; a line that is cut off is left out. */
export function readEvents(text: string): RunEvents {
  const tasks: TaskEvent[] = []
  const closed = new Set<number>()
  let unmatched = 0
  let failures: number | undefined
  for (const line of text.split('\n')) {
    let event: { readonly type: string } & Partial<TaskEvent> & { readonly failures?: number; readonly index?: string }
    try {
      event = JSON.parse(line) as typeof event
    } catch {
      continue
    }
    if (event.type === 'task') tasks.push(event as TaskEvent)
    else if (event.type === 'closed') closed.add(Number(event.index))
    else if (event.type === 'unmatched') unmatched += 1
    else if (event.type === 'end') failures = event.failures ?? 0
  }
  return { tasks, closed, unmatched, failures }
}
