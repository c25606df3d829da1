/**
 * Loads once what the daemon will load, so that the compile cache has it: a daemon that must strip types itself starts slower and keeps
 * some 20 MiB for it. Called by the commands that come before the first `run`; it starts nothing.
 */
export async function warmStart(): Promise<void> {
  await Promise.all([
    import('./commands/run.ts'),
    import('#policy/parse.ts'),
    import('#policy/render.ts'),
    import('#policy/compile/compile.ts'),
  ])
}
