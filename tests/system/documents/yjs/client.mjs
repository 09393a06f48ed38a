// Yjs itself, nothing of Holdfast: edits a document through a node's HTTP doors. URL TOKEN_FILE ACTION.
import fs from 'node:fs'
import * as Y from 'yjs'

const [url, tokenFile, action] = process.argv.slice(2)
const door = `${url}/api/v1/documents/shared`
const auth = { Authorization: `Bearer ${fs.readFileSync(tokenFile, 'utf8').trim()}` }
const doc = new Y.Doc()

async function pull (headers = {}, query = '') {
  const state = Buffer.from(Y.encodeStateVector(doc)).toString('base64url')
  const answer = await fetch(`${door}?state=${state}${query}`, { headers: { ...auth, ...headers } })
  if (answer.status === 200) Y.applyUpdate(doc, new Uint8Array(await answer.arrayBuffer()))
  return { status: answer.status, tag: answer.headers.get('etag') }
}

async function push (update) {
  const answer = await fetch(door, { method: 'POST', headers: auth, body: update })
  const said = await answer.json()
  if (answer.status === 409) return push(Y.encodeStateAsUpdate(doc, Buffer.from(said.state, 'base64')))
  return { status: answer.status, said }
}

function seen () {
  return {
    m: doc.getMap('m').toJSON(),
    text: doc.getText('t').toString(),
    sum: Object.values(doc.getMap('n').toJSON()).reduce((a, b) => a + b, 0)
  }
}

if (action === 'edit') { // from what is there
  await pull()
  let update
  doc.on('update', (bytes) => { update = bytes })
  doc.transact(() => {
    doc.getMap('m').set('from', 'Yjs')
    doc.getText('t').insert(0, 'Grüße 😀 ')
    const n = doc.getMap('n')
    n.set(String(doc.clientID), (n.get(String(doc.clientID)) ?? 0) + 7)
    doc.getMap('m').set('list', new Y.Array())
    doc.getMap('m').get('list').push([1, 'two', null, { three: [3.5] }])
  })
  console.log(JSON.stringify({ pushed: await push(update), ...seen() }))
} else if (action === 'gap') { // the second of two edits alone: the node must say what it lacks
  doc.getMap('m').set('one', 1)
  let second
  doc.on('update', (bytes) => { second = bytes })
  doc.getMap('m').set('two', 2)
  console.log(JSON.stringify({ pushed: await push(second) }))
} else if (action === 'wait') { // until somebody else edits
  const { tag } = await pull()
  console.log('waiting')
  const { status } = await pull({ 'If-None-Match': tag }, '&wait=20')
  console.log(JSON.stringify({ status, ...seen() }))
}
