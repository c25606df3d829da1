/** Lists of packages like those of real Debian machines: names in families, versions shared by what is built together. */
import { Random } from '#base/random.ts'
import { packagesText } from '#facts/packages.ts'

const stems = 'lib python3- perl- ruby- linux- gir1.2- fonts- golang- texlive- node- kde- gnome- x11- systemd- '.split(
  ' ',
)
const letters = 'abcdefghijklmnopqrstuvwxyz'

/** `count` packages; the same seed gives the same list. */
export function debianPackages(count: number, seed: number = 1): string {
  const random = new Random(`debian ${seed}`)
  const word = (length: number): string => Array.from({ length }, () => letters[random.below(letters.length)]).join('')
  const packages = new Map<string, string>()
  while (packages.size < count) {
    const base = `${stems[random.below(stems.length)] ?? ''}${word(3 + random.below(6))}`
    const version = `${random.below(2) === 0 ? '' : `${random.below(4)}:`}${random.below(20)}.${random.below(40)}.${random.below(30)}${random.below(3) === 0 ? '+dfsg' : ''}-${1 + random.below(9)}${random.below(3) === 0 ? `+deb12u${1 + random.below(9)}` : ''}`
    const arch = random.below(3) === 0 ? 'all' : 'amd64'
    for (const suffix of ['', '-dev', '-common', '-data'].slice(0, 1 + random.below(4)))
      if (packages.size < count) packages.set(`${base}${suffix}:${arch}`, version)
  }
  return packagesText(packages)
}
