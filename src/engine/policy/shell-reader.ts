/** A word after quotes and backslashes are taken away. */
export type ShellWord = {
  readonly text: string;
  /** It holds `*`, `?` or `[` that the shell would expand. */
  readonly isGlob: boolean;
};

export type ShellCommand = {
  readonly words: readonly ShellWord[];
  /** Files that are read by `<`. */
  readonly inputs: readonly string[];
  /** Texts that are read by `<<` and `<<<`. */
  readonly here: readonly string[];
};

export type ShellLine = {
  readonly commands: readonly ShellCommand[];
  /**
   * True if the commands are exactly what a POSIX shell would run. False for everything that is not followed here
   * (substitutions, variables, output to files, here-documents, control structures, brace expansion): then the commands
   * are a guess, with what substitutions hold beside them, good for finding what is forbidden and for nothing else.
   */
  readonly isPlain: boolean;
};

/** Taking output there changes nothing. */
const SINKS = new Set(['/dev/null', '/dev/stdout', '/dev/stderr']);

type Target = 'word' | 'input' | 'output' | 'duplicate' | 'here' | 'delimiter';
/** What the word behind an operator is; a file for output behind every other one. */
const TARGETS: Readonly<Record<string, Target>> = {
  '<': 'input',
  '>&': 'duplicate',
  '<&': 'duplicate',
  '<<<': 'here',
  '<<': 'delimiter',
  '<<-': 'delimiter',
};

/** Reads a shell line once from left to right; see `readLine` for what its result means. */
export class ShellReader {
  readonly #line: string;
  #at = 0;
  #isPlain = true;
  readonly #commands: ShellCommand[] = [];
  /** Texts of substitutions: lines of their own. */
  readonly #nested: string[] = [];
  #words: ShellWord[] = [];
  #inputs: string[] = [];
  #here: string[] = [];
  /** Here-documents whose text begins at the next line. */
  #awaited: { readonly delimiter: string; readonly isLiteral: boolean; readonly here: string[] }[] = [];
  #word: string | null = null;
  #isGlob = false;
  #isQuoted = false;
  #isInBraces = false;
  /** What the word that is being read is for. */
  #target: Target = 'word';

  constructor(line: string) {
    this.#line = line;
  }

  read(): ShellLine & { readonly nested: readonly string[] } {
    while (this.#at < this.#line.length) this.#step();
    this.#endCommand();
    return { commands: this.#commands, isPlain: this.#isPlain, nested: this.#nested };
  }

  #step(): void {
    const char = this.#line.charAt(this.#at);
    switch (char) {
      case ' ':
      case '\t':
        this.#at += 1;
        this.#endWord();
        break;
      case '\n':
      case ';':
      case '|':
      case '&':
        this.#operator();
        break;
      case '<':
      case '>':
        this.#redirection();
        break;
      case "'":
        this.#single();
        break;
      case '"':
        this.#double();
        break;
      case '\\':
        this.#escape();
        break;
      case '$':
        this.#dollar(false);
        break;
      case '`':
        this.#backTicks();
        break;
      case '(':
      case ')':
        this.#at += 1;
        this.#isPlain = false;
        this.#endCommand();
        break;
      case '{':
      case '}':
      case ',':
        this.#brace(char);
        break;
      default:
        if (char === '#' && this.#word === null) this.#match(/[^\n]*/y);
        else this.#take(char);
    }
  }

  #take(char: string): void {
    if ('*?['.includes(char)) this.#isGlob = true;
    if (/\p{Cc}/u.test(char)) this.#isPlain = false;
    this.#append(char);
    this.#at += 1;
  }

  #append(text: string): void {
    this.#word = (this.#word ?? '') + text;
  }

  #operator(): void {
    if (this.#line.startsWith('&>', this.#at)) {
      this.#redirection();
      return;
    }
    if (this.#line.startsWith(';;', this.#at)) this.#isPlain = false;
    this.#endCommand();
    this.#at += 1;
    if (this.#line.charAt(this.#at - 1) === '\n') this.#hereDocuments();
  }

  #redirection(): void {
    // `2>`: the number belongs to the operator. Of a longer one some shells make a word.
    if (this.#word !== null && /^\d+$/.test(this.#word) && !this.#isQuoted) {
      if (this.#word.length > 1) this.#isPlain = false;
      this.#word = null;
    }
    this.#endWord();
    const [sign = ''] = this.#match(/&>>?|>>|>\||>&|<<<|<<-?|<>|<&|>|</y) ?? [];
    if (this.#target !== 'word' || sign.startsWith('<<')) this.#isPlain = false;
    this.#target = TARGETS[sign] ?? 'output';
    if (this.#line.startsWith('(', this.#at)) this.#substitution(this.#at);
  }

  #endWord(): void {
    const text = this.#word;
    if (text === null) return;
    const isGlob = this.#isGlob;
    const isQuoted = this.#isQuoted;
    // A word that needs both quotes and expansion has no text that could be read again.
    if (isGlob && !/^[\w@%+=:,./~^*?[\]!-]+$/.test(text)) this.#isPlain = false;
    this.#word = null;
    this.#isGlob = false;
    this.#isQuoted = false;
    const target = this.#target;
    this.#target = 'word';
    switch (target) {
      case 'word':
        this.#words.push({ text, isGlob });
        return;
      case 'input':
        this.#inputs.push(text);
        if (isGlob) this.#isPlain = false;
        return;
      case 'output':
        if (!SINKS.has(text)) this.#isPlain = false;
        return;
      case 'duplicate':
        if (!/^(\d+|-)$/.test(text)) this.#isPlain = false;
        return;
      case 'here':
        this.#here.push(text);
        return;
      case 'delimiter':
        this.#awaited.push({ delimiter: text, isLiteral: isQuoted, here: this.#here });
        return;
      default:
        target satisfies never;
    }
  }

  #endCommand(): void {
    this.#endWord();
    if (this.#target !== 'word') this.#isPlain = false;
    this.#target = 'word';
    this.#isInBraces = false;
    if (this.#words.length + this.#inputs.length > 0) {
      this.#commands.push({ words: this.#words, inputs: this.#inputs, here: this.#here });
    }
    this.#words = [];
    this.#inputs = [];
    this.#here = [];
  }

  /** The texts up to their delimiters; without a literal delimiter their substitutions are carried out. */
  #hereDocuments(): void {
    for (const { delimiter, isLiteral, here } of this.#awaited) {
      let text = '';
      while (this.#at < this.#line.length) {
        const [line = ''] = this.#match(/[^\n]*\n?/y) ?? [];
        if (line.replace(/^\t+/, '').replace(/\n$/, '') === delimiter) break;
        text += line;
      }
      here.push(text);
      const substitution = isLiteral ? -1 : text.search(/\$\(|`/);
      if (substitution >= 0) this.#nested.push(text.slice(substitution));
    }
    this.#awaited = [];
  }

  #quote(): void {
    this.#append('');
    this.#isQuoted = true;
  }

  #single(): void {
    const [whole, text = ''] = this.#match(/'([^']*)'?/y) ?? [];
    if (whole === `'${text}`) this.#isPlain = false;
    this.#quote();
    this.#append(text);
  }

  #double(): void {
    this.#quote();
    this.#at += 1;
    for (let char = this.#line.charAt(this.#at); char !== '"'; char = this.#line.charAt(this.#at)) {
      if (char === '') {
        this.#isPlain = false;
        return;
      }
      if (char === '$') this.#dollar(true);
      else if (char === '`') this.#backTicks();
      else this.#doubleText();
    }
    this.#at += 1;
  }

  #doubleText(): void {
    const [whole = '', escaped] = this.#match(/\\([$`"\\])|\\\n|\\|[^"$`\\]+/y) ?? [];
    this.#append(escaped ?? (whole === '\\\n' ? '' : whole));
  }

  #escape(): void {
    const next = this.#line.charAt(this.#at + 1);
    if (next === '') this.#isPlain = false;
    else if (next !== '\n') {
      this.#quote();
      this.#append(next);
    }
    this.#at += 2;
  }

  #dollar(isInQuotes: boolean): void {
    const next = this.#line.charAt(this.#at + 1);
    if (next === '(') this.#substitution(this.#at + 1);
    else if (next === "'" && !isInQuotes) this.#ansiQuote();
    else if (this.#line.startsWith('\\\n', this.#at + 1)) {
      // The shell joins the lines first, and then finds what the dollar means.
      this.#isPlain = false;
      this.#at += 3;
    } else if (!this.#variable(isInQuotes)) {
      if (next === '[' || (next === '"' && !isInQuotes)) this.#isPlain = false;
      // `$?`, `$$`, `$#` are numbers.
      const taken = '?$#'.includes(next || ' ') ? `$${next}` : '$';
      this.#append(taken);
      this.#at += taken.length;
    }
  }

  /** What a variable stands for is not known: nothing, or white space for IFS. */
  #variable(isInQuotes: boolean): boolean {
    const [found] = this.#match(/\$(?:[A-Za-z_]\w*|\{[^}]*\}?|[0-9@*!_-])/y) ?? [];
    if (found === undefined) return false;
    this.#isPlain = false;
    if (/^\$\{?IFS\b/.test(found) && !isInQuotes) this.#endWord();
    if (found.startsWith('${')) this.#nested.push(found.slice(2));
    return true;
  }

  /** `$'…'` with its escapes for characters. */
  #ansiQuote(): void {
    const [, text = ''] = this.#match(/\$'((?:\\[\s\S]|[^'\\])*)'?/y) ?? [];
    this.#isPlain = false;
    this.#quote();
    this.#append(
      text.replaceAll(/\\(?:x([\dA-Fa-f]{1,2})|u([\dA-Fa-f]{1,4})|([0-7]{1,3})|([\s\S]))/g, (_, x, u, octal, char) => {
        if (char !== undefined) return char === 'n' || char === 't' ? ' ' : char;
        return String.fromCharCode(octal === undefined ? Number.parseInt(x ?? u, 16) : Number.parseInt(octal, 8));
      }),
    );
  }

  #backTicks(): void {
    const [, text = ''] = this.#match(/`((?:\\[\s\S]|[^`\\])*)`?/y) ?? [];
    this.#isPlain = false;
    this.#nested.push(text);
  }

  /** From the bracket at `open` to the one that closes it: a line of its own. */
  #substitution(open: number): void {
    let depth = 0;
    let end = open;
    do {
      const char = this.#line.charAt(end);
      if (char === '(') depth += 1;
      if (char === ')') depth -= 1;
      end += 1;
    } while (depth > 0 && end < this.#line.length);
    this.#isPlain = false;
    this.#nested.push(this.#line.slice(open + 1, depth > 0 ? end : end - 1));
    this.#at = end;
  }

  /** `{}` is a word; every other brace is expansion or a group: its items count as words, its commands as commands. */
  #brace(char: '{' | '}' | ','): void {
    if (this.#line.startsWith('{}', this.#at)) {
      this.#append('{}');
      this.#at += 2;
    } else if (char === ',' && !this.#isInBraces) {
      this.#take(char);
    } else {
      this.#at += 1;
      this.#isPlain = false;
      const isGroup = char === '{' && this.#word === null && /^\s/.test(this.#line.charAt(this.#at));
      if (isGroup || (char === '}' && !this.#isInBraces)) this.#endCommand();
      else this.#endWord();
      this.#isInBraces = char !== '}' && !isGroup;
    }
  }

  /** Takes what a sticky form finds here. */
  #match(form: RegExp): RegExpExecArray | null {
    form.lastIndex = this.#at;
    const found = form.exec(this.#line);
    this.#at += found?.[0].length ?? 0;
    return found;
  }
}
