/*
 * A view is held by the server that opened it, so a cursor of the client names the server's address
 * before the server's own cursor: `address|cursor`.
 */
const SEPARATOR = '|';

export function cursorAt(address: string, cursor: string): string {
  return `${address}${SEPARATOR}${cursor}`;
}

/** Null for a cursor that no client has made. */
export function addressOfCursor(cursor: string): string | null {
  const end = cursor.indexOf(SEPARATOR);
  return end < 0 ? null : cursor.slice(0, end);
}

export function cursorWithin(cursor: string): string {
  return cursor.slice(cursor.indexOf(SEPARATOR) + 1);
}
