import type { ApiResource } from '../../api/api-resource.js'
import type { ApiObject } from '../../client/client.js'
import type { Informer } from '../../client/informer.js'

/** A resource with the copy of all its objects, for controllers that treat every kind alike. */
export interface Collection {
  readonly resource: ApiResource<ApiObject>
  readonly informer: Informer<ApiObject>
}
