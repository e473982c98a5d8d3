import { type AwsRegistryKeys, type RegistryAccess, SpawnpointError } from '@spawnpoint/core'
import { awsSignature, discard, fieldsOf, type Http, readAll } from '@spawnpoint/outbound'

const MAX_ANSWER_BYTES = 64 * 2 ** 10
const TARGET = 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken'

/**
 * What an account's keys are worth at its registries: the user and password that AWS hands out for half a day. Rejects
 * `forbidden` if the keys are not taken, `unavailable` if AWS cannot be asked.
 */
export async function awsRegistryAccess(
  { region, accessKeyId, secretAccessKey }: AwsRegistryKeys,
  http: Pick<Http, 'ask'>,
  signal: AbortSignal,
): Promise<RegistryAccess> {
  const host = `api.ecr.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
  const question = Buffer.from('{}')
  const headers = await awsSignature(
    {
      method: 'POST',
      path: '/',
      query: {},
      headers: {
        host,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': TARGET,
        'x-amz-content-sha256': EMPTY_OBJECT_SHA256,
      },
    },
    { region, service: 'ecr' },
    { accessKeyId, secretAccessKey },
  )
  const answer = await http
    .ask({ method: 'POST', url: new URL(`https://${host}/`), headers, body: question, signal })
    .catch((error: unknown) => {
      signal.throwIfAborted()
      throw unavailable(region, 'cannot be reached', error)
    })
  if (answer.status !== 200) {
    discard(answer)
    if (answer.status >= 500) throw unavailable(region, `answers with status ${answer.status}`)
    const what = `the registries of ${region}`
    throw new SpawnpointError('forbidden', `AWS does not take these keys for ${what} (status ${answer.status})`, {
      what,
    })
  }
  const body = await readAll(answer.body, MAX_ANSWER_BYTES).catch((error: unknown) => {
    signal.throwIfAborted()
    throw unavailable(region, 'breaks off its answer', error)
  })
  const pair = pairIn(body.toString('utf8'))
  if (pair === null) throw unavailable(region, 'answers without a password')
  return pair
}

/** SHA-256 of `{}` */
const EMPTY_OBJECT_SHA256 = '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'

/** `base64(USER:PASSWORD)`, in an answer that is of no other meaning here. */
function pairIn(text: string): RegistryAccess | null {
  let data: unknown
  try {
    data = fieldsOf(text).authorizationData
  } catch {
    return null // no JSON: the caller says so
  }
  const first: unknown = Array.isArray(data) ? data[0] : null
  const token: unknown = typeof first === 'object' && first !== null ? Reflect.get(first, 'authorizationToken') : null
  const [, username, password] =
    /^([^:]+):(.+)$/.exec(typeof token === 'string' ? Buffer.from(token, 'base64').toString('utf8') : '') ?? []
  return username === undefined || password === undefined ? null : { username, password }
}

function unavailable(region: string, reason: string, cause?: unknown): SpawnpointError<'unavailable'> {
  return new SpawnpointError('unavailable', `AWS's registry service in ${region} ${reason}`, { reason }, { cause })
}
