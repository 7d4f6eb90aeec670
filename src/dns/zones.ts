/** A zone as it is compared: lower case, without the trailing dot; the root is empty. */
export const normalZone = (text: string): string => text.toLowerCase().replace(/\.$/, '')

/** The longest of the zones at or above a name (lower case, without the trailing dot); undefined when none is. */
export function closestZone(name: string, zones: readonly string[]): string | undefined {
  return zones
    .filter(zone => zone === '' || name === zone || name.endsWith(`.${zone}`))
    .reduce<string | undefined>((closest, zone) => (closest === undefined || zone.length > closest.length ? zone : closest), undefined)
}
