import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, Capabilities } from '../../src/backends/backend.ts';
import type { LiveSession } from '../support/backend-session.ts';
import { hashOfTree } from '../support/leftovers.ts';
import { environmentFor, type TempDir, tempDir } from '../support/temp.ts';
import { endingLaws } from './backend/ending.ts';
import { openingLaws } from './backend/opening.ts';
import { questionLaws } from './backend/questions.ts';
import { resumingLaws } from './backend/resuming.ts';
import { type Bench, type Law, makeBackend, makePlace, openIn, type Place, type Rig, SECRET } from './backend/rig.ts';
import { turnLaws } from './backend/turns.ts';

export type { Rig } from './backend/rig.ts';

/** The laws of `Backend`, for every agent program. An exception names the law that does not hold, and why. */
export function backendConformance(options: {
  readonly name: string;
  /** What the backend declares; the suite sees whether it is so. */
  readonly capabilities: Capabilities;
  readonly exceptions: readonly { readonly law: string; readonly reason: string }[];
  /** Makes the program ready; `root` is a directory for whatever it needs. */
  readonly setup: (root: string) => Promise<Rig>;
}): void {
  describe(`backend ${options.name}`, () => {
    let bench: Awaited<ReturnType<typeof makeBench>> | undefined;
    let dir: TempDir;
    let userFiles: string;

    beforeAll(async () => {
      process.env.GANTRY_CONFORMANCE_SECRET = SECRET;
      dir = await tempDir();
      const rig = await options.setup(dir.path);
      bench = await makeBench(rig, options.capabilities, dir.path);
      userFiles = await hashOfTree(bench.place.userHome);
    });

    afterAll(async () => {
      // If the set-up failed, there is nothing else to end.
      if (bench) await bench.close();
      await dir[Symbol.asyncDispose]();
    });

    const names = new Set<string>();
    const law: Law = (name, body) => {
      names.add(name);
      const exception = options.exceptions.find((one) => one.law === name);
      if (exception) test.skip(`${name} (exception: ${exception.reason})`, () => undefined);
      else
        test(name, async () => {
          if (!bench) return expect.unreachable('the set-up failed');
          try {
            await body(bench);
          } catch (error) {
            // Whatever failed: no other law borrows what this one has left.
            await bench.disown();
            throw error;
          }
        });
    };
    openingLaws(law);
    turnLaws(law);
    questionLaws(law);
    resumingLaws(law);
    endingLaws(law);
    law("nothing is written to the user's or the repository's agent configuration", async ({ place, rig, borrow }) => {
      await using live = await borrow();
      await live.turn(rig.scenes.write('made/last.txt', 'last'));
      await live.close();
      expect(await hashOfTree(place.userHome)).toBe(userFiles);
      const env = environmentFor(place.userHome);
      const { stdout } = await promisify(execFile)('git', ['status', '--porcelain', '--ignored'], {
        cwd: place.project,
        env,
      });
      expect(stdout.split('\n').filter((line) => line !== '' && !line.endsWith(' made/'))).toEqual([]);
    });

    for (const { law: name } of options.exceptions) {
      if (!names.has(name)) throw new Error(`there is no law "${name}" to make an exception of`);
    }
  });
}

async function makeBench(
  rig: Rig,
  capabilities: Capabilities,
  root: string,
): Promise<Bench & { readonly disown: () => Promise<void>; readonly close: () => Promise<void> }> {
  const backends: Backend[] = [];
  let places = 0;
  const newPlace = (): Promise<Place> => {
    places += 1;
    return makePlace(join(root, `place-${places}`), rig);
  };
  const newBackend: Bench['newBackend'] = (place, settings) => {
    const backend = makeBackend(rig, place, settings);
    backends.push(backend);
    return backend;
  };
  const place = await newPlace();
  const backend = newBackend(place);
  let atRest: { readonly live: LiveSession; readonly profile: string | undefined }[] = [];
  const share: Bench['share'] = (live, profile) => live.lend(() => void atRest.push({ live, profile: profile?.id }));
  const borrow: Bench['borrow'] = async (profile) => {
    const found = atRest.find((one) => one.profile === profile?.id);
    atRest = atRest.filter((one) => one !== found);
    return share(found?.live ?? (await openIn(place, backend, profile && { profile })), profile);
  };
  const disown = async (): Promise<void> => {
    const left = atRest;
    atRest = [];
    await Promise.all(left.map(({ live }) => live.close()));
  };
  return {
    rig,
    capabilities,
    place,
    backend,
    newPlace,
    newBackend,
    open: (more) => openIn(place, backend, more),
    share,
    borrow,
    disown,
    // A failed law must not keep its programs.
    close: async () => {
      await Promise.all(backends.map((one) => one.close(200)));
      await rig[Symbol.asyncDispose]();
    },
  };
}
