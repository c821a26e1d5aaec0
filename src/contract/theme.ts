import { z } from 'zod';

/** The colours of a theme, all of them. */
export const THEME_COLORS = [
  'primary',
  'primaryHover',
  'primaryLight',
  'primaryDark',
  'bgPrimary',
  'bgSecondary',
  'bgTertiary',
  'bgQuaternary',
  'textPrimary',
  'textSecondary',
  'textTertiary',
  'textQuaternary',
  'borderPrimary',
  'borderSecondary',
  'borderTertiary',
  'accentSuccess',
  'accentWarning',
  'accentError',
  'accentInfo',
  'shadow',
  'shadowLg',
  'hoverBg',
  'activeBg',
  'focusRing',
] as const;

/** Colours of a page that shows events, as the API of themes hands them out. */
export const Theme = z.object({
  id: z.string(),
  name: z.string(),
  displayName: z.string(),
  description: z.string().optional(),
  colors: z.record(z.string(), z.string()),
  isPublic: z.boolean(),
  /** Whose it is: the person, or a token. */
  authorId: z.string(),
  authorName: z.string(),
  createdAt: z.number(),
  updatedAt: z.number(),
  tags: z.array(z.string()),
  downloadCount: z.number(),
  rating: z.number(),
  ratingCount: z.number(),
});
export type Theme = z.infer<typeof Theme>;
