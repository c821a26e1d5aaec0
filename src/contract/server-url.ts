import { z } from 'zod';

/** Where a server answers that Gantry calls. */
export const ServerUrl = z
  .url({ protocol: /^https?$/, error: 'expected a URL that begins with https:// or http://' })
  .refine((url) => !/^https?:\/\/[^/?#]*@/i.test(url), {
    error: 'expected a URL without credentials: no request can be made with it; what is secret goes into a variable',
  });
