/**
 * The few file calls that storage engines make, so that tests can run the real engines on a disk
 * that fails. Paths are absolute. Failures are thrown as Node throws them, with `code`.
 */
export interface FileLayer {
  /** Creates the folder and its parents where missing. Durable on return. */
  makeFolder(path: string): Promise<void>;
  /** Names in a folder, sorted; empty where the folder does not exist. */
  list(path: string): Promise<readonly string[]>;
  /** The whole file, or null where it does not exist. */
  read(path: string): Promise<Uint8Array | null>;
  /** Opens for reading and writing, or for reading alone. */
  open(path: string, options: OpenOptions): Promise<OpenFile>;
  /** Atomic; durable only after `syncFolder`. */
  rename(from: string, to: string): Promise<void>;
  /** A missing file is passed over. Durable only after `syncFolder`. */
  remove(path: string): Promise<void>;
  /** Makes created, renamed and removed names of a folder durable. */
  syncFolder(path: string): Promise<void>;
  /**
   * Keeps everybody else out of the folder until `release`, or fails with ERR_LOCKED. Default: a lock
   * among the processes of the machine. Files that nobody else can reach need none.
   */
  lock?(path: string): Promise<HeldLock>;
}

/** A folder that nobody else may use. */
export interface HeldLock {
  /** Lets others in. */
  release(): Promise<void>;
}

/** How a file is opened. */
export interface OpenOptions {
  /** Makes the file where it is missing. */
  readonly create: boolean;
  /**
   * It is written by `writeDurably` alone, for which it may be opened in another way. `write` and
   * `writeDurably` mean the same with it as without. Default false.
   */
  readonly durable?: boolean | undefined;
  /** It is not written to: the disk may be mounted so, or the file be somebody else's. Default false. */
  readonly readOnly?: boolean | undefined;
}

/** One open file. */
export interface OpenFile {
  /** Its size now, with what was written and not synced. */
  sizeBytes(): Promise<number>;
  /**
   * Up to `length` bytes; shorter only at the end of the file. They may be put into `target`, which has room
   * for them: then the result is a view of it. The caller may change them.
   */
  read(offset: number, length: number, target?: Uint8Array): Promise<Uint8Array>;
  /** Writes all of `bytes`; durable only after `sync`. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Writes all of `bytes`. Resolves when they are durable; says nothing of what was written before. */
  writeDurably(offset: number, bytes: Uint8Array): Promise<void>;
  /** Cuts the file, or fills it with zeros, to exactly this size; durable only after `sync`. */
  truncate(sizeBytes: number): Promise<void>;
  /** Resolves when all that was written before is durable, the size included. */
  sync(): Promise<void>;
  /** Makes nothing durable. Called once. */
  close(): Promise<void>;
}
