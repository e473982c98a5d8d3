import { createHash, createPublicKey, type JsonWebKey } from 'node:crypto'
import { SpawnpointError } from '../errors.ts'
import type { CredentialScheme } from '../model.ts'
import type { IdentitySigner } from '../ports/index.ts'

/** What a server says of sandboxes' identities with. */
export interface IdentityConfig {
  /** `https://` address at which the clouds find the keys, without a slash at its end */
  issuer: string
  /** PEM, PKCS #8, RSA: what all clouds take */
  privateKey: string
}

/** As OpenID Connect Discovery has them: what clouds check its tokens with. */
export interface IdentityDocuments {
  configuration: Record<string, unknown>
  keys: { keys: JsonWebKey[] }
}

/** Where the keys are, behind the issuer. */
export const IDENTITY_KEYS_PATH = '/.well-known/identity-keys.json'

export function identitySigner({ issuer, privateKey }: IdentityConfig): IdentitySigner {
  const publicDer = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return { issuer, privateKey, keyId: createHash('sha256').update(publicDer).digest('base64url').slice(0, 16) }
}

export function identityDocuments(config: IdentityConfig): IdentityDocuments {
  const { issuer, keyId } = identitySigner(config)
  const jwk = createPublicKey(config.privateKey).export({ format: 'jwk' })
  return {
    configuration: {
      issuer,
      jwks_uri: `${issuer}${IDENTITY_KEYS_PATH}`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      claims_supported: ['iss', 'sub', 'aud', 'iat', 'nbf', 'exp', 'jti', 'team', 'sandbox'],
    },
    keys: { keys: [{ ...jwk, kid: keyId, alg: 'RS256', use: 'sig' }] },
  }
}

/** Rejects `incompatible` for a scheme that needs an identity, where the server gives out none. */
export function mustHaveIdentity(config: IdentityConfig | undefined, { type }: Pick<CredentialScheme, 'type'>): void {
  if (config !== undefined || !['aws_role', 'google_identity', 'azure_identity', 'identity'].includes(type)) return
  const reason = 'this server has no address at which a cloud finds its keys: its operator sets SPAWNPOINT_ISSUER'
  throw new SpawnpointError('incompatible', reason, { needs: 'SPAWNPOINT_ISSUER', has: '' })
}
