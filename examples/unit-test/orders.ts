import { type KVStore, QuorateError } from 'quorate';

/** Pays an order once, whichever node is asked, and however many at the same time. */
export async function pay(store: KVStore, order: string): Promise<'paid' | 'was paid before'> {
  try {
    await store.put(`order/${order}`, 'paid', { ifAbsent: true });
    return 'paid';
  } catch (error) {
    if (QuorateError.is(error) && error.code === 'ERR_CONDITION') return 'was paid before';
    throw error;
  }
}
