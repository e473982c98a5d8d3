import { type FormEvent, useState } from 'react'
import { clientFor, isUnauthenticated, messageOf } from './client.tsx'
import { signIn } from './session.ts'
import { Button } from './ui/button.tsx'
import { CheckField, TextField } from './ui/field.tsx'

export function Login() {
  const [key, setKey] = useState('')
  const [keep, setKeep] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string | null>(null)
  const send = async (event: FormEvent) => {
    event.preventDefault()
    const given = key.trim()
    if (given === '') return setError('Paste an API key')
    setBusy(true)
    try {
      await clientFor(given).keys.team()
      signIn(given, keep)
    } catch (thrown) {
      setError(isUnauthenticated(thrown) ? 'This server does not know that key' : messageOf(thrown))
      setBusy(false)
    }
  }
  return (
    <main className="login">
      <form className="panel" onSubmit={send} noValidate>
        <h1 className="brand">
          <img src="/assets/icon.svg" alt="" />
          Spawnpoint
        </h1>
        <TextField
          label="API key"
          type="password"
          value={key}
          onChange={(event) => setKey(event.target.value)}
          error={error}
          hint={
            <>
              <code>script/up</code> prints one with a link that signs you in; <code>spawnpoint key create</code> makes
              more.
            </>
          }
        />
        <CheckField
          label="Keep me signed in on this browser"
          hint="Otherwise until this tab is closed"
          checked={keep}
          onChange={setKeep}
        />
        <Button type="submit" look="primary" disabled={busy}>
          Sign in
        </Button>
      </form>
    </main>
  )
}
