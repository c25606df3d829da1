#!/bin/sh
[ -z "${GRAPEVINE_HOME-}" ] || export HOME="$GRAPEVINE_HOME"
mode=act
if [ "$2" = look ]; then mode=decide; [ "${GRAPEVINE_MODE-}" = observe ] && mode=observe; fi
if [ -n "${GRAPEVINE_SCRATCH-}" ]; then
  words=$GRAPEVINE_SCRATCH/words-$1
  [ $mode = act ] && grep -q '^failed: ' "$words" 2>/dev/null && exit 1
  /bin/sh "${0%/*}/$1.sh" $mode >"$words" 2>&1
else
  /bin/sh "${0%/*}/$1.sh" $mode 2>&1
fi
case $mode-$? in
act-0 | *-97) exit 0 ;;
*-0) exit 1 ;;
*) exit 2 ;;
esac
