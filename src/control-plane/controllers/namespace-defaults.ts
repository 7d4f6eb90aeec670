import type { ApiResource } from '../../api/api-resource.js'
import { configmaps, serviceaccounts } from '../../api/generated/resources.js'
import type { ConfigMap, Namespace, ServiceAccount } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { ApiObject } from '../../client/client.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

interface Parts<T> extends ControllerParts {
  readonly controllerName: string
  readonly namespaces: Informer<Namespace>
  readonly resource: ApiResource<T>
  readonly objects: Informer<T>
  /** The object that every namespace has, without its namespace. */
  readonly wanted: T & { readonly metadata: { readonly name: string } }
  /** True when an object of that name is as it must be. */
  readonly isRight: (object: T) => boolean
}

/** Keeps one object of a fixed name in every namespace that is not going away. */
function inEveryNamespace<T extends ApiObject>(parts: Parts<T>): Controller {
  const { client, controllerName, namespaces, resource, objects, wanted, isRight } = parts
  const { name } = wanted.metadata
  return keyedController({
    name: controllerName,
    parts,
    reads: [namespaces, objects],
    watch(queue) {
      onObjectChange(namespaces, (_before, after) => after && queue.add(keyOfObject(after)))
      onObjectChange(objects, (before, after) => {
        const { namespace, name: changed } = (after ?? before)?.metadata ?? {}
        if (changed === name && namespace !== undefined && !(after && isRight(after))) queue.add(namespace)
      })
    },
    async reconcile(key, _queue, signal) {
      const namespace = namespaces.get(key)
      if (!namespace || namespace.metadata?.deletionTimestamp !== undefined) return
      const present = objects.get(`${key}/${name}`)
      if (present && isRight(present)) return
      const object = { ...wanted, metadata: { ...wanted.metadata, namespace: key } }
      try {
        if (present) await client.patch(resource, { namespace: key, name }, object, { type: 'merge' }, signal)
        else await client.create(resource, object, signal)
      } catch (error) {
        if (!isPodwireError(error, 'ALREADY_EXISTS') && !isPodwireError(error, 'NOT_FOUND')) throw error
      }
    },
  })
}

interface ServiceAccountParts extends ControllerParts {
  readonly namespaces: Informer<Namespace>
  readonly serviceAccounts: Informer<ServiceAccount>
}

/** Every namespace has a ServiceAccount `default`, which Pods get that name no other. */
export const serviceAccountController = ({ serviceAccounts, ...parts }: ServiceAccountParts): Controller =>
  inEveryNamespace({
    ...parts,
    controllerName: 'service-account',
    resource: serviceaccounts,
    objects: serviceAccounts,
    wanted: { metadata: { name: 'default' } },
    isRight: () => true,
  })

interface RootCaParts extends ControllerParts {
  readonly namespaces: Informer<Namespace>
  readonly configMaps: Informer<ConfigMap>
  /** PEM text of the authority that signed the API server's certificate. */
  readonly ca: string
}

/** Every namespace has a ConfigMap `kube-root-ca.crt`, by which Pods verify the API server. */
export const rootCaController = ({ configMaps, ca, ...parts }: RootCaParts): Controller =>
  inEveryNamespace({
    ...parts,
    controllerName: 'root-ca',
    resource: configmaps,
    objects: configMaps,
    wanted: {
      metadata: {
        name: 'kube-root-ca.crt',
        annotations: {
          'kubernetes.io/description': 'The authority that signed the certificate of the API server, for Pods to verify it by.',
        },
      },
      data: { 'ca.crt': ca },
    },
    isRight: ({ data }: ConfigMap) => data?.['ca.crt'] === ca,
  })
