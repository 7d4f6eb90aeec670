import protobuf from 'protobufjs'

/**
 * The part of etcd's version 3 API that the store speaks: names and numbers of etcd's own api/etcdserverpb/rpc.proto and
 * api/mvccpb/kv.proto, without the fields that we never send and never read.
 */
const definition = `
syntax = "proto3";
message KeyValue { bytes key = 1; int64 create_revision = 2; int64 mod_revision = 3; bytes value = 5; }
message Event { enum Type { PUT = 0; DELETE = 1; } Type type = 1; KeyValue kv = 2; KeyValue prev_kv = 3; }
message Header { int64 revision = 3; }

message RangeRequest { bytes key = 1; bytes range_end = 2; int64 limit = 3; int64 revision = 4; bool count_only = 9; }
message RangeResponse { Header header = 1; repeated KeyValue kvs = 2; int64 count = 4; }
message PutRequest { bytes key = 1; bytes value = 2; }
message DeleteRangeRequest { bytes key = 1; }
message Compare { enum Target { VERSION = 0; CREATE = 1; MOD = 2; } Target target = 2; bytes key = 3; int64 mod_revision = 6; }
message RequestOp { oneof request { RangeRequest request_range = 1; PutRequest request_put = 2; DeleteRangeRequest request_delete_range = 3; } }
message ResponseOp { RangeResponse response_range = 1; }
message TxnRequest { repeated Compare compare = 1; repeated RequestOp success = 2; repeated RequestOp failure = 3; }
message TxnResponse { Header header = 1; bool succeeded = 2; repeated ResponseOp responses = 3; }
message CompactionRequest { int64 revision = 1; }
message CompactionResponse { Header header = 1; }
message DefragmentRequest {}
message DefragmentResponse { Header header = 1; }
message StatusRequest {}
message StatusResponse { Header header = 1; int64 dbSize = 3; int64 dbSizeInUse = 9; }

message WatchRequest { oneof request_union { WatchCreateRequest create_request = 1; } }
message WatchCreateRequest { bytes key = 1; bytes range_end = 2; int64 start_revision = 3; bool prev_kv = 6; }
message WatchResponse {
  Header header = 1; bool created = 3; bool canceled = 4; int64 compact_revision = 5; string cancel_reason = 6; repeated Event events = 11;
}
`

export interface EtcdKeyValue {
  readonly key: Buffer
  readonly create_revision: number
  readonly mod_revision: number
  readonly value: Buffer
}

interface Header {
  readonly header: { readonly revision: number }
}

export interface EtcdRangeResponse extends Header {
  readonly kvs: readonly EtcdKeyValue[]
  readonly count: number
}

export interface EtcdTxnResponse extends Header {
  readonly succeeded: boolean
  readonly responses: readonly { readonly response_range?: EtcdRangeResponse }[]
}

export interface EtcdStatusResponse extends Header {
  readonly dbSize: number
  readonly dbSizeInUse: number
}

export interface EtcdEvent {
  readonly type: 'PUT' | 'DELETE'
  readonly kv: EtcdKeyValue
  readonly prev_kv?: EtcdKeyValue | null
}

export interface EtcdWatchResponse extends Header {
  readonly created: boolean
  readonly canceled: boolean
  readonly compact_revision: number
  readonly cancel_reason: string
  readonly events: readonly EtcdEvent[]
}

/** The calls, by path: what goes in and what comes out. */
export const etcdCalls = {
  range: { path: '/etcdserverpb.KV/Range', request: 'RangeRequest', response: 'RangeResponse' },
  txn: { path: '/etcdserverpb.KV/Txn', request: 'TxnRequest', response: 'TxnResponse' },
  compact: { path: '/etcdserverpb.KV/Compact', request: 'CompactionRequest', response: 'CompactionResponse' },
  status: { path: '/etcdserverpb.Maintenance/Status', request: 'StatusRequest', response: 'StatusResponse' },
  defragment: { path: '/etcdserverpb.Maintenance/Defragment', request: 'DefragmentRequest', response: 'DefragmentResponse' },
  watch: { path: '/etcdserverpb.Watch/Watch', request: 'WatchRequest', response: 'WatchResponse' },
} as const

export type EtcdCall = keyof typeof etcdCalls

/** Turns requests into bytes and bytes into answers, for one call. */
export interface EtcdCodec {
  readonly path: string
  encode(request: object): Buffer
  decode(bytes: Buffer): unknown
}

export function etcdCodecs(): Readonly<Record<EtcdCall, EtcdCodec>> {
  const { root } = protobuf.parse(definition, { keepCase: true })
  const codecs = Object.entries(etcdCalls).map(([call, { path, request, response }]): [string, EtcdCodec] => {
    const requests = root.lookupType(request)
    const responses = root.lookupType(response)
    return [
      call,
      {
        path,
        encode: value => Buffer.from(requests.encode(requests.fromObject(value)).finish()),
        decode: bytes => responses.toObject(responses.decode(bytes), { longs: Number, enums: String, defaults: true, arrays: true }),
      },
    ]
  })
  return Object.fromEntries(codecs) as unknown as Record<EtcdCall, EtcdCodec>
}
