/** Signs for AWS independently of what the proxy does, in tests. */
declare module 'aws4' {
  export interface Request {
    method: string
    host: string
    path: string
    body?: string
    service: string
    region: string
    headers: Record<string, string>
    /** Lower case */
    extraHeadersToIgnore?: Record<string, boolean>
  }
  const aws4: {
    sign(request: Request, keys: { accessKeyId: string; secretAccessKey: string }): { headers: Record<string, string> }
  }
  export default aws4
}
