import { useQuery } from '@tanstack/react-query'
import type { Push } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { SelectField, TextField } from '../ui/field.tsx'

export interface Place {
  reference: string
  /** Name of a stored registry, `''` for the one at the same address, `ACCOUNT` for the account below */
  as: string
  username: string
  password: string
}

const ACCOUNT = '\n'
export const EMPTY_PLACE: Place = { reference: '', as: '', username: '', password: '' }

export function isComplete({ reference, as, username }: Place): boolean {
  return reference.trim() !== '' && (as !== ACCOUNT || username !== '')
}

export function placeOf({ reference, as, username, password }: Place): Push {
  return {
    reference: reference.trim(),
    ...(as !== '' && as !== ACCOUNT && { registry: as }),
    ...(as === ACCOUNT && { credentials: { username, password } }),
  }
}

interface PlaceFieldsProps {
  place: Place
  onChange: (place: Place) => void
  direction: 'from' | 'to'
  placeholder?: string
  disabled?: boolean
}

/** Where something comes from or goes to, and as whom. */
export function PlaceFields({
  place,
  onChange,
  direction,
  placeholder = 'registry.example/team/app:1',
  disabled = false,
}: PlaceFieldsProps) {
  const registries = useQuery(queries.registries(useClient()))
  const field = (name: 'reference' | 'username' | 'password') => ({
    value: place[name],
    disabled,
    onChange: (event: { target: { value: string } }) => onChange({ ...place, [name]: event.target.value }),
  })
  const options = [
    { value: '', label: 'The stored registry at its address, if any' },
    ...(registries.data ?? []).map(({ name, url }) => ({ value: name, label: `${name} (${url})` })),
    { value: ACCOUNT, label: 'Another account, this once' },
  ]
  return (
    <>
      <TextField
        label="Reference"
        placeholder={placeholder}
        {...field('reference')}
        hint={
          direction === 'from'
            ? "As for docker pull; or oci:NAME, oci-archive:NAME, docker-archive:NAME in the server's imports"
            : "As for docker push; or oci:NAME, oci-archive:NAME, docker-archive:NAME in the server's exports"
        }
      />
      <SelectField label="As" value={place.as} onChange={(as) => onChange({ ...place, as })} options={options} />
      {place.as === ACCOUNT && (
        <div className="field-row">
          <TextField label="User" {...field('username')} />
          <TextField
            label="Password"
            type="password"
            autoComplete="new-password"
            {...field('password')}
            hint="For this once; kept nowhere"
          />
        </div>
      )}
    </>
  )
}
