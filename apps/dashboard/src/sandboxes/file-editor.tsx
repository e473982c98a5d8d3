import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { FileInfo, Sandbox } from 'spawnpoint'
import { formatBytes } from '../format.ts'
import { textOf } from '../paths.ts'
import { Answer } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { Dialog, FormDialog } from '../ui/dialog.tsx'
import { TextAreaField } from '../ui/field.tsx'

/** Largest file that is opened, in bytes */
const MOST = 1024 * 1024

interface FileEditorProps {
  sandbox: Sandbox
  file: FileInfo
  onSaved: () => Promise<unknown>
  onClose: () => void
}

export function FileEditor({ sandbox, file, onSaved, onClose }: FileEditorProps) {
  const query = useQuery({
    queryKey: ['file', sandbox.id, file.path],
    // What is in it now, each time; and not another thing while it is edited.
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => {
      if (file.sizeBytes > MOST) return { text: null, why: `${formatBytes(file.sizeBytes)} are too much to edit here` }
      const text = textOf(await sandbox.files.read(file.path, { length: MOST }))
      return { text, why: 'It is not text' }
    },
  })
  if (query.data?.text !== undefined && query.data.text !== null)
    return <Editor sandbox={sandbox} file={file} initial={query.data.text} onSaved={onSaved} onClose={onClose} />
  return (
    <Dialog title={file.name} onClose={onClose}>
      <Answer query={query}>{({ why }) => <p>{why}; download it instead.</p>}</Answer>
      <div className="dialog-foot">
        <Button onClick={onClose}>Close</Button>
      </div>
    </Dialog>
  )
}

function Editor({ sandbox, file, initial, onSaved, onClose }: FileEditorProps & { initial: string }) {
  const [text, setText] = useState(initial)
  const save = async () => {
    await sandbox.files.write(file.path, text)
    await onSaved()
  }
  return (
    <FormDialog
      title={file.path}
      wide
      submit="Save"
      needs="write"
      disabled={text === initial}
      onSubmit={save}
      onClose={onClose}
    >
      <TextAreaField label="Content" rows={22} value={text} onChange={(event) => setText(event.target.value)} />
    </FormDialog>
  )
}
