/** What stands behind a reason code, for the operator who asks why a client was refused. */
export interface RefusalRule {
  /** The requirement in `docs/security.md`. */
  readonly rule: string;
  /** What was found, in a sentence. */
  readonly why: string;
  /** What to do about it when the client was right. */
  readonly fix: string;
  /** The option that says so. */
  readonly option?: string;
}

/** Rules by reason code. */
export type RefusalRules = Readonly<Record<string, RefusalRule>>;
