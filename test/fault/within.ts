/** What a promise comes to, or what `otherwise` throws when it takes too long. */
export async function within<T>(ms: number, promise: Promise<T>, otherwise: () => never): Promise<T> {
  const late = Symbol('late');
  let timer: NodeJS.Timeout | undefined;
  const result = await Promise.race([
    promise,
    new Promise<typeof late>((resolve) => {
      timer = setTimeout(() => resolve(late), ms);
    }),
  ]);
  clearTimeout(timer);
  return result === late ? otherwise() : result;
}
