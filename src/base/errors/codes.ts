/**
 * Every error code, with when it is raised and the exit status of the command that ends by it:
 * 1 the lab says no, 2 wrong use, 3 this machine cannot.
 * docs/errors.md is made of this table; a test keeps them equal.
 */
export const errorCodes = {
  CONFIG_INVALID: { exit: 2, when: 'A file or option that the user wrote is not valid; every problem is listed with its place.' },
  NOT_FOUND: { exit: 1, when: 'A named thing does not exist.' },
  ALREADY_EXISTS: { exit: 1, when: 'A thing of that name exists already.' },
  PORT_IN_USE: { exit: 1, when: 'A port that is needed on 127.0.0.1 is taken.' },
  COMMAND_FAILED: { exit: 1, when: 'A program of the system ended with an error; its own words are in the message.' },
  COMMAND_MISSING: { exit: 3, when: 'A program of the system is not installed.' },
  KERNEL_UNSUPPORTED: { exit: 3, when: 'This kernel lacks a feature; the message names it and how to get it.' },
  KERNEL_REFUSED: { exit: 1, when: 'The kernel refused an operation; the message names the operation, the object and the errno.' },
  NOT_PERMITTED: { exit: 3, when: 'The command needs root.' },
  TIMED_OUT: { exit: 1, when: 'A condition was not met in time; the message says which and what was seen last.' },
  ABORTED: { exit: 1, when: 'The caller stopped the operation.' },
  API_REFUSED: { exit: 1, when: 'The API server answered with an error Status; the message carries it.' },
  API_UNREACHABLE: { exit: 1, when: 'The API server could not be reached.' },
  REVISION_TOO_OLD: { exit: 1, when: 'A list or watch asked for a revision that has been compacted.' },
  STORE_UNAVAILABLE: { exit: 1, when: 'etcd could not be reached or refused a request; its own words are in the message.' },
  CONFLICT: { exit: 1, when: 'A compare-and-swap found another revision than expected.' },
  ADDRESS_EXHAUSTED: { exit: 1, when: 'A range of addresses or ports has none left.' },
  RUNTIME_FAILED: { exit: 1, when: 'The container runtime refused a request; its own words are in the message.' },
  CNI_REFUSED: {
    exit: 1,
    when: 'The CNI plugin refused a request; the message says why, the answer carries a code of the CNI specification.',
  },
  CAPTURE_FAILED: { exit: 1, when: 'A capture could not be started or was not proven alive.' },
  PACKET_MALFORMED: { exit: 1, when: 'Bytes could not be decoded as the packet or file they claim to be.' },
  SETUP_FAILED: { exit: 3, when: 'A step of setting this machine up failed; the message names the step and carries its words.' },
  INTERNAL: { exit: 1, when: 'A defect of podwire itself.' },
} as const satisfies Record<string, { readonly exit: 1 | 2 | 3; readonly when: string }>

/** The stable name of an error. */
export type ErrorCode = keyof typeof errorCodes
