import { invalidArgument, type Remote, type RemoteRequest } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { awsAuth, awsSchema, gcpSchema, googleAuth, secretJson } from './credential-auth.ts'
import { unsupported } from './errors.ts'

const READ_SCOPE = 'https://www.googleapis.com/auth/devstorage.read_only'

export const mountAuthSchema = z.object({
  aws: optional(awsSchema),
  gcp: optional(gcpSchema),
  azure: z.unknown().optional(),
})

/** What the mounts of a type are asked with; absent for what the box's own rules say. */
export type MountAuth = Partial<Record<'s3' | 'gcs' | 'azure_blob', RemoteRequest['auth']>>

/** `has` tells whether there is a mount of a type. */
export function mountAuth(
  auth: z.output<typeof mountAuthSchema> | undefined,
  has: (type: 's3' | 'gcs' | 'azure_blob') => boolean,
): MountAuth {
  const { aws, gcp, azure } = auth ?? {}
  const place = 'body.mount_config.auth'
  const forNothing = (provider: string) => invalidArgument(`${place}.${provider}`, 'there is no mount that it is for')
  if (aws !== undefined && !has('s3')) throw forNothing('aws')
  if (gcp !== undefined && !has('gcs')) throw forNothing('gcp')
  if (azure !== undefined && azure !== null) {
    if (!has('azure_blob')) throw forNothing('azure')
    throw unsupported('mount_config.auth.azure')
  }
  if (aws?.role_arn) throw unsupported('mount_config.auth.aws.role_arn')
  if (gcp?.workload_identity_provider) throw unsupported('mount_config.auth.gcp.workload_identity_provider')
  return {
    ...(aws === undefined ? {} : { s3: awsAuth(aws, `${place}.aws`, []) }),
    ...(gcp === undefined ? {} : { gcs: googleAuth({ ...gcp, scopes: [READ_SCOPE] }, `${place}.gcp`, []) }),
  }
}

export function mountAuthJson(remotes: readonly Remote[]) {
  const of = (type: string) => {
    const auth = remotes.find((remote) => remote.auth?.type === type)?.auth
    return auth && Object.fromEntries(auth.values.map((one) => [one.name, secretJson(one)]))
  }
  const [aws, google] = [of('aws'), of('google')]
  return {
    ...(aws === undefined ? {} : { aws }),
    ...(google === undefined ? {} : { gcp: { service_account_json: google.service_account } }),
  }
}
