// Made from events/schema by "npm run types".

/** What an event tells, by its type. Own types of the server's rules are added by declaration merging. */
export interface EventMap {
  /** A conflict isn't open any more. */
  "conflict:resolved": {
    /** ID of the document. */
    document: string
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Type of the document. */
    type?: string | null
    /** ID of the conflict. */
    conflict: string
    /** What went against what; guarded: a rule has undone an edit, which is a proposal. */
    kind?: "update-update" | "delete-update" | "lost-edit" | "guarded"
    /** How the document merges while nobody decides. */
    strategy?: string | null
    /** JSON Pointer of the place. */
    path?: string | null
    /** JSON Pointer of the place, with * for indexes. */
    field?: string | null
    /** Joined: it has become part of another conflict. */
    status: "open" | "superseded" | "resolved" | "accepted" | "dismissed" | "joined"
    /** Rule that has undone the edit. */
    rule?: string | null
    /** What was there before. */
    before?: {
      op?: string
      /** Left out if it is too long. */
      value?: unknown
      /** The beginning of what is too long. */
      cut?: string
    } | null
    /** What the document shows; null: nothing. */
    winner?: {
      op?: string
      /** Left out if it is too long. */
      value?: unknown
      /** The beginning of what is too long. */
      cut?: string
    } | null
    /** Some of the values that were written, at most 10. */
    values?: {
      op?: string
      value?: unknown
      cut?: string
      action?: string
      user?: string
      device?: string
      change?: string
      received?: string
    }[]
    /** How many values there are. */
    count?: number
    /** How many of them are left out here. */
    more?: number
    /** Whose change caused it. */
    by?: string | null
    /** ID of the conflict that it has become part of. */
    into?: string | null
  }
  /** Somebody has overwritten what somebody else wrote at the same time, or a conflict has grown or is open again. */
  "document:conflict": {
    /** ID of the document. */
    document: string
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Type of the document. */
    type?: string | null
    /** ID of the conflict. */
    conflict: string
    /** What went against what; guarded: a rule has undone an edit, which is a proposal. */
    kind: "update-update" | "delete-update" | "lost-edit" | "guarded"
    /** How the document merges while nobody decides. */
    strategy?: string | null
    /** JSON Pointer of the place. */
    path?: string | null
    /** JSON Pointer of the place, with * for indexes. */
    field?: string | null
    /** Joined: it has become part of another conflict. */
    status: "open" | "superseded" | "resolved" | "accepted" | "dismissed" | "joined"
    /** Rule that has undone the edit. */
    rule?: string | null
    /** What was there before. */
    before?: {
      op?: string
      /** Left out if it is too long. */
      value?: unknown
      /** The beginning of what is too long. */
      cut?: string
    } | null
    /** What the document shows; null: nothing. */
    winner?: {
      op?: string
      /** Left out if it is too long. */
      value?: unknown
      /** The beginning of what is too long. */
      cut?: string
    } | null
    /** Some of the values that were written, at most 10. */
    values?: {
      op?: string
      value?: unknown
      cut?: string
      action?: string
      user?: string
      device?: string
      change?: string
      received?: string
    }[]
    /** How many values there are. */
    count: number
    /** How many of them are left out here. */
    more?: number
    /** Whose change caused it. */
    by?: string | null
  }
  /** A document has come into being. */
  "document:created": {
    /** ID of the document. */
    document: string
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Type of the document. */
    type?: string | null
  }
  /** A document is gone for good. Its content isn't told. */
  "document:deleted": {
    /** ID of the document. */
    document: string
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Type of the document. */
    type?: string | null
  }
  /** Something of a document has changed; told at most once a second. */
  "document:updated": {
    /** ID of the document. */
    document: string
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Type of the document. */
    type?: string | null
  }
  /** An expense was approved. */
  "expense:approved": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Number of the expense. */
    number?: number | string | null
    /** How much it is. */
    amount?: number | string | null
    /** ISO 4217 code. */
    currency?: string | null
    /** Whose it is. */
    employee?: string | null
  }
  /** An expense was rejected. */
  "expense:rejected": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Number of the expense. */
    number?: number | string | null
    /** How much it is. */
    amount?: number | string | null
    /** ISO 4217 code. */
    currency?: string | null
    /** Whose it is. */
    employee?: string | null
    /** Why. */
    reason?: string | null
  }
  /** An invoice was paid. */
  "invoice:paid": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Number of the invoice. */
    number?: number | string | null
    /** How much it was. */
    total?: number | string | null
    /** ISO 4217 code. */
    currency?: string | null
    /** Who paid. */
    customer?: string | null
  }
  /** There is an item more. */
  "item:added": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Item. */
    sku?: number | string | null
    /** Name of the item. */
    name?: string | null
    /** How many there are. */
    quantity?: number | string | null
  }
  /** Something that people are to be told. */
  "notification:new": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** What it is, in a few words. */
    title?: string | null
    /** What there is to say. */
    text?: string | null
    /** Where to go for it. */
    link?: string | null
    /** How much it matters. */
    level?: string | null
  }
  /** The user has read events, on whichever device. */
  "notification:read": {
    /** Who has read. */
    user: string
    /** IDs of the events. */
    ids: string[]
  }
  /** An event that you published with receipts was delivered or read; told at most once a second. Asking for the receipts of the event tells all of them. */
  "notification:receipt": {
    /** ID of the event. */
    event: string
    /** Devices that have acknowledged it since the last time. */
    delivered: {
      user: string
      device: string
      at: string
    }[]
    /** Users who have read it since the last time. */
    read: {
      user: string
      device?: string
      at: string
    }[]
    /** How many are left out here. */
    more?: number
  }
  /** A payment has gone through. */
  "payment:processed": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Number of the payment. */
    number?: number | string | null
    /** How much it was. */
    amount?: number | string | null
    /** ISO 4217 code. */
    currency?: string | null
    /** How it was paid. */
    method?: string | null
    /** What it was for. */
    invoice?: string | null
  }
  /** A project has come into being. */
  "project:created": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Name of the project. */
    name?: string | null
  }
  /** A project is gone for good. Its content isn't told. */
  "project:deleted": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
  }
  /** Something of a project has changed; told at most once a second. */
  "project:updated": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Name of the project. */
    name?: string | null
  }
  /** An item in stock has fallen below its reorder level. */
  "reorder:triggered": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Item. */
    sku?: number | string | null
    /** How many are left. */
    quantity?: number | string | null
    /** Below which it has fallen. */
    reorderLevel?: number | string | null
  }
  /** The quantity of an item in stock has changed. */
  "stock:updated": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** Item. */
    sku?: number | string | null
    /** Where. */
    warehouse?: string | null
    /** How many there are. */
    quantity?: number | string | null
  }
  /** Somebody has got a task. */
  "task:assigned": {
    /** ID of the document that it is about. */
    document?: string | null
    /** What people call that document, such as an invoice number. */
    ref?: string | null
    /** Who did it. */
    user?: string | null
    /** What is to be done. */
    title?: string | null
    /** Who has to do it. */
    assignee?: string | string[] | null
    /** Until when, as the document tells it. */
    due?: string | null
  }
  /** The last connection of a user has been gone for some seconds. */
  "user:offline": {
    /** Who it is. */
    user: string
    /** When the user was heard of last. */
    lastSeen?: string | null
  }
  /** A user has come online. */
  "user:online": {
    /** Who it is. */
    user: string
    /** When the user was heard of last. */
    lastSeen?: string | null
  }
  /** A user is typing into a field, or has stopped. Told live only. */
  "user:typing": {
    /** Who it is. */
    user: string
    /** ID of the document. */
    document: string
    /** JSON Pointer of the field. */
    field: string
    /** False: stopped. */
    active: boolean
  }
}
