import { rootFilesContract } from '@spawnpoint/contracts/root-files'
import { type TreesUnderTest, treesContract } from '@spawnpoint/contracts/trees'
import { directoryNode, fileNode, symlinkNode } from './file-tree.ts'
import { FakeHost } from './host.ts'
import { FakePool } from './pool.ts'

const fake = async (): Promise<TreesUnderTest> => {
  const host = new FakeHost()
  const pool = new FakePool(host)
  await pool.open()
  return {
    pool,
    async write(dir, files) {
      const tree = host.tree(dir)
      for (const { path, data, target, mode, uid = 0 } of files) {
        for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
          if (!tree.get(path.slice(0, at))) tree.set(path.slice(0, at), directoryNode())
        if (target !== undefined) tree.set(path, symlinkNode(target))
        else if (data === undefined) tree.set(path, directoryNode())
        else tree.set(path, fileNode(Buffer.from(data), mode, uid, uid))
      }
    },
    async remove(dir, path) {
      const tree = host.tree(dir)
      for (const one of [...tree.below(path), path]) tree.delete(one)
    },
    [Symbol.asyncDispose]: () => pool.close(),
  }
}

treesContract('fake', fake)
rootFilesContract('fake', fake)
