/** What an event is about, by its type. Own types of the server's rules are added by declaration merging. */
export interface EventMap {
  "project:created": DocumentData
  "project:updated": DocumentData
  "project:deleted": DocumentData
  "task:assigned": DocumentData
  "invoice:paid": DocumentData
  "expense:approved": DocumentData
  "expense:rejected": DocumentData
  "payment:processed": DocumentData
  "stock:updated": DocumentData
  "item:added": DocumentData
  "reorder:triggered": DocumentData
  "user:online": { user: string; lastSeen?: string }
  "user:offline": { user: string; lastSeen?: string }
  "user:typing": { user: string; document: string; field: string; active: boolean }
  "notification:new": Record<string, unknown>
  "notification:read": { user: string; ids: string[] }
  "notification:receipt": Record<string, unknown>
  "document:created": DocumentData
  "document:updated": DocumentData
  "document:deleted": DocumentData
  "document:conflict": ConflictData
  "conflict:resolved": ConflictData
}

export interface DocumentData {
  document?: string
  ref?: string
  user?: string
  [key: string]: unknown
}

export interface ConflictData extends DocumentData {
  conflict: string
}
