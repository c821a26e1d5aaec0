import { join } from 'node:path';

/** Where senders leave events for the daemon. */
export const spoolOf = (home: string): string => join(home, 'spool');
export const hookScriptOf = (home: string): string => join(home, 'plugin', 'claude-hook.sh');

/** Longest event, as the events API has it; what is longer is cut and refused by the reader. */
export const MAX_EVENT_BYTES = 8_388_608;
/** A file that waits in the spool: `<id>.<pid>` and this. */
export const SPOOLED = '.event';
/** What cannot be read is renamed to its name and this, for a person to look at. */
export const UNREADABLE = '.unreadable';
/** A line per drop: how many events were removed from a full spool. */
export const DROPPED = 'dropped';
const MAX_SPOOL_KB = 65_536;
/** So many events of the greatest length are below the bound: until then it is not looked at. */
const SURELY_SMALL = Math.floor((MAX_SPOOL_KB * 1024) / MAX_EVENT_BYTES) - 1;
/** Removed at once from a full spool, so that not every event pays for it. */
const DROPPED_AT_ONCE = 200;

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** What goes into Claude Code's settings: silent and successful though Gantry's home is gone. */
export const hookCommand = (home: string): string => {
  const script = quoted(hookScriptOf(home));
  return `test -x ${script} && exec ${script}; exit 0`;
};

/**
 * A POSIX shell script that leaves the event on its standard input in the spool. One file per event, moved into place
 * when it is whole: callers at the same time, a full disk and a kill leave no half event, and nobody waits for the daemon.
 * Its first line is the source application, the rest the event as it came; its name is the event's id.
 */
export const hookScript = (home: string): string => `#!/bin/sh
# Gantry: hands a hook's event over to the daemon. Made by \`gantry plugin install claude\`.
umask 077
cd ${quoted(spoolOf(home))} 2>/dev/null || exit 0
{ read -r id </proc/sys/kernel/random/uuid; } 2>/dev/null || id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')
new=".$id.$$"
{
  {
    printf '%s\\n' "\${GANTRY_SOURCE_APP:-claude-code}"
    head -c ${MAX_EVENT_BYTES + 1}
  } >"$new" && mv "$new" "$id.$$${SPOOLED}" || rm -f "$new"
  set -- *${SPOOLED}
  if [ $# -gt ${SURELY_SMALL} ]; then
    used=$(du -sk .)
    if [ "\${used%%[!0-9]*}" -gt ${MAX_SPOOL_KB} ]; then
      ls -tr | grep '\\${SPOOLED}$' | head -n ${DROPPED_AT_ONCE} | xargs rm -f && echo ${DROPPED_AT_ONCE} >>${DROPPED}
    fi
  fi
} 2>/dev/null
exit 0
`;
