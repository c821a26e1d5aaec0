import { textFrom } from '../ask.ts';
import { defineCommand, words } from '../command.ts';
import { Interrupts } from '../keys.ts';
import { follow, isPlanned, SUBMIT_OPTIONS, submit } from '../request.ts';
import { exitCodeOf, planDocument, planLines, resultLines } from '../result.ts';
import { newMemory } from '../watch.ts';

const { project, backend, model, role, maxTasks, isSingle, isDirtyAllowed, ...later } = SUBMIT_OPTIONS;

export const plan = defineCommand({
  arguments: { text: words('request', 'what is to be planned; - reads standard input') },
  options: { project, backend, model, role, maxTasks, isDirtyAllowed, ...later },
  run: async (context, args) => {
    const { output } = context;
    const text = await textFrom(context, args.text, 'What is to be planned?');
    const client = await context.client();
    using interrupts = new Interrupts();
    const { id } = await submit(context, client, text, { ...args, isSingle: isSingle.initial, isPlanOnly: true });
    const { request } = await follow(context, client, id, isPlanned, { memory: newMemory(), interrupts });
    const made = request.plan;
    output.result(planDocument(request), () =>
      made === null
        ? resultLines(
            { request, tasks: [], attempts: [], approvals: [], merge: null },
            '.',
            context.clock.now(),
            output,
          )
        : planLines(made, output),
    );
    if (request.state === 'planned') output.note('', `To carry it out: gantry resume ${id}`);
    return made === null ? exitCodeOf(request, []) : 0;
  },
});
