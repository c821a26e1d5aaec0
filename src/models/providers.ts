/** Where a provider answers and which variables may hold its key, first found first. No key: it needs none. */
export type Provider = {
  readonly api: 'openai' | 'anthropic' | 'google' | 'compatible';
  readonly endpoint: string;
  readonly keyNames: readonly string[];
};

/** The providers with a known address; any other name is OpenAI-compatible at the endpoint that the user gives. */
export const PROVIDERS: Readonly<Record<string, Provider>> = {
  openai: { api: 'openai', endpoint: 'https://api.openai.com/v1', keyNames: ['OPENAI_API_KEY'] },
  anthropic: { api: 'anthropic', endpoint: 'https://api.anthropic.com/v1', keyNames: ['ANTHROPIC_API_KEY'] },
  google: {
    api: 'google',
    endpoint: 'https://generativelanguage.googleapis.com/v1beta',
    keyNames: ['GOOGLE_GENERATIVE_AI_API_KEY', 'GEMINI_API_KEY'],
  },
  openrouter: { api: 'compatible', endpoint: 'https://openrouter.ai/api/v1', keyNames: ['OPENROUTER_API_KEY'] },
  ollama: { api: 'compatible', endpoint: 'http://127.0.0.1:11434/v1', keyNames: [] },
};
