// Two people edit one invoice through Concord; one of them is offline for a while.
//
//   node invoice.mjs TOKEN_1 TOKEN_2          or with ALICE_TOKEN and BOB_TOKEN in the environment
//
// The tokens are those of two users of one company, roles "editor". CONCORD_URL names the node; http://127.0.0.1:8080
// unless set. The packages are the stock ones of automerge-repo.

import { Repo, getConflicts } from "@automerge/automerge-repo"
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket"

const server = process.env.CONCORD_URL ?? "http://127.0.0.1:8080"
const { ALICE_TOKEN, BOB_TOKEN } = process.env
const tokens = process.argv.length > 2 ? process.argv.slice(2) : [ALICE_TOKEN, BOB_TOKEN]
if (tokens.length !== 2 || !tokens.every(Boolean)) {
  console.error("usage: node invoice.mjs TOKEN_1 TOKEN_2   (\"concord token --sub alice --company demo --role editor\" makes one)")
  process.exit(2)
}

/** The stock adapter, which knows nothing but a URL; a one-time ticket in it stands for the token. */
class TicketAdapter extends WebSocketClientAdapter {
  constructor(token) {
    super("", 1000) // tries again every second
    this.token = token
  }

  async connect(peerId, metadata) {
    const response = await fetch(`${server}/v1/tickets`, {
      method: "POST",
      headers: { Authorization: `Bearer ${this.token}` },
    }).catch(() => fail(`no node answers at ${server}; "make run" starts one`))
    if (!response.ok) fail(`the node refuses the token: ${response.status} ${await response.text()}`)
    const { ticket } = await response.json()
    this.url = `${server.replace(/^http/, "ws")}/v1/sync?ticket=${encodeURIComponent(ticket)}`
    super.connect(peerId, metadata)
  }
}

/** A person: a name, a repo, and the invoice once they have it. */
class Person {
  constructor(token) {
    this.name = subject(token)
    this.adapter = new TicketAdapter(token)
    this.repo = new Repo({ network: [this.adapter] })
  }

  goOffline() {
    say(this, "goes offline")
    this.adapter.disconnect()
  }

  async goOnline() {
    say(this, "comes back")
    await this.adapter.connect(this.adapter.peerId, this.adapter.peerMetadata)
  }

  edit(what, change) {
    say(this, what)
    this.invoice.change(change, { message: what })
  }
}

const [alice, bob] = tokens.map(token => new Person(token))

say(alice, "writes invoice 2026-0042")
alice.invoice = alice.repo.create({
  number: "2026-0042",
  customer: "Harbour Café",
  status: "draft",
  note: "Thank you.",
  lines: [
    { item: "Espresso machine", quantity: 1, price: 1890 },
    { item: "Beans, 1 kg", quantity: 10, price: 21.5 },
  ],
})
// The invoice may still be on its way to the node; bob has it as soon as it is there.
bob.invoice = await bob.repo.find(alice.invoice.url, { allowableStates: ["ready", "unavailable"] })
await bob.invoice.whenReady()
await agreement()
say(bob, "opens it")

bob.goOffline()
alice.edit("sells two machines", invoice => (invoice.lines[0].quantity = 2))
alice.edit("adds a grinder", invoice => invoice.lines.push({ item: "Grinder", quantity: 1, price: 340 }))
alice.edit('sets the status to "sent"', invoice => (invoice.status = "sent"))
bob.edit("offline: lowers the price of the beans", invoice => (invoice.lines[1].price = 19.9))
bob.edit("offline: adds the delivery", invoice => invoice.lines.push({ item: "Delivery", quantity: 1, price: 45 }))
bob.edit('offline: sets the status to "approved"', invoice => (invoice.status = "approved"))
await bob.goOnline()
await agreement()

print(alice.invoice.doc())
const statuses = Object.values(getConflicts(alice.invoice.doc(), "status") ?? {})
console.log(`Both set the status; the last one counts and both are kept: ${statuses.join(", ")}.`)
console.log(`${alice.name} and ${bob.name} hold the same invoice: heads ${alice.invoice.heads().join(" ")}`)
process.exit(0)

/** Waits until both hold the same changes, all of both. */
async function agreement() {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await new Promise(resolve => setTimeout(resolve, 50))) {
    const [a, b] = [alice, bob].map(person => [...person.invoice.heads()].sort().join())
    if (a === b) return
  }
  fail(`${alice.name} and ${bob.name} don't agree after 15 s`)
}

function print(invoice) {
  const money = amount => amount.toFixed(2).padStart(10)
  const row = (...cells) => console.log("  " + cells.join("  "))
  const total = invoice.lines.reduce((sum, line) => sum + line.quantity * line.price, 0)
  console.log(`\nInvoice ${invoice.number} for ${invoice.customer} (${invoice.status})`)
  for (const { item, quantity, price } of invoice.lines)
    row(item.padEnd(20), String(quantity).padStart(4), money(price), money(quantity * price))
  row("Total".padEnd(20), " ".repeat(16), money(total) + "\n")
}

function say(person, what) {
  console.log(`${person.name.padEnd(8)} ${what}`)
}

function fail(message) {
  console.error(message)
  process.exit(1)
}

/** The user whom a token names; only to show it, the node checks the token. */
function subject(token) {
  try {
    return JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sub
  } catch {
    return fail("that is not a token; \"concord token\" makes one")
  }
}
