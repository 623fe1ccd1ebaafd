// Records histories that automerge-js writes: random edits of several replicas, and the bytes of each change.
// crdt/testdata/authoring.json.gz is one of its answers: SEED=12345 node record-edits.mjs 110 cases.json
//
// Left out are three habits that other implementations need not share: whole numbers below 1 inside new objects
// and numbers in blocks become floats there, and a change names its author's last one as a dependency even if
// that is an ancestor anyway.
import * as A from '@automerge/automerge'
import fs from 'fs'
let seed=+(process.env.SEED||12345)
function rnd(n){ seed=(Math.imul(seed,1103515245)+12345)&0x7fffffff; return Math.floor(seed/65536)%n }
const pick=a=>a[rnd(a.length)]
const words=["a","bc","é","😀","x y","日本","👩‍👩‍👧","","def","ghij"]
function val(depth){
  switch(rnd(depth>2?9:12)){
  case 0: return 1+rnd(1000); case 1: return rnd(100)/8; case 2: return pick(words); case 3: return pick([true,false,null]);
  case 4: return {$counter:rnd(20)}; case 5:return {$date:rnd(1e6)*1000}; case 6: return {$bytes:"0102ff".slice(0,2*rnd(4))};
  case 7: return {$str:pick(words)}; case 8: return pick(words);
  case 9: { const o={}; for(let i=rnd(4);i>0;i--) o[pick(["k","b","é","z","\u{1F600}","\uFFFD"])]=val(depth+1); return o}
  case 10: case 11: { const o=[]; for(let i=rnd(4);i>0;i--) o.push(val(depth+1)); return o}
  }
}
function conv(v){
  if(Array.isArray(v)) return v.map(conv)
  if(v&&typeof v==='object'){
    if('$counter' in v) return new A.Counter(v.$counter)
    if('$date' in v) return new Date(v.$date)
    if('$bytes' in v) return Uint8Array.from(Buffer.from(v.$bytes,'hex'))
    if('$str' in v) return new A.ImmutableString(v.$str)
    return Object.fromEntries(Object.entries(v).map(([k,x])=>[k,conv(x)]))
  }
  return v
}
function at(d,p){ for(const k of p) d=d[k]; return d }
function run(d,e){
  const [verb,p]=e
  const last=p[p.length-1], par=()=>at(d,p.slice(0,-1))
  switch(verb){
  case 'set': par()[last]=conv(e[2]); break
  case 'del': if(Array.isArray(par())) A.deleteAt(par(),last); else delete par()[last]; break
  case 'splice': at(d,p).splice(e[2],e[3],...e[4].map(conv)); break
  case 'text': A.splice(d,p,e[2],e[3],e[4]); break
  case 'inc': par()[last].increment(e[2]); break
  case 'mark': A.mark(d,p,{start:e[2],end:e[3],expand:e[4]},e[5],e[6]); break
  case 'unmark': A.unmark(d,p,{start:e[2],end:e[3],expand:e[4]},e[5]); break
  case 'block': A.splitBlock(d,p,e[2],conv(e[3])); break
  }
}
function walk(v,p,out){
  if(typeof v==='string') out.texts.push(p)
  else if(v instanceof A.Counter) out.counters.push(p)
  else if(Array.isArray(v)){ out.lists.push(p); v.forEach((x,i)=>{out.places.push([...p,i]); walk(x,[...p,i],out)}) }
  else if(v&&typeof v==='object'&&!(v instanceof Date)&&!(v instanceof Uint8Array)&&!(v instanceof A.ImmutableString)){ out.maps.push(p); for(const k of Object.keys(v)){ out.places.push([...p,k]); walk(v[k],[...p,k],out)} }
  return out
}
function edit(d,textOnly){
  const o=walk(d,[],{texts:[],counters:[],lists:[],maps:[],places:[]})
  const r=textOnly?5+rnd(10):rnd(15)
  if(r<2||o.places.length<3&&!textOnly) return ['set',[...pick(o.maps),pick(["k","b","é","z","q","\u{1F600}","\uFFFD"])],val(0)]
  if(r==2) return ['del',pick(o.places)]
  if(r==3&&o.lists.length){ const l=pick(o.lists), n=at(d,l).length, i=rnd(n+1), del=rnd(Math.min(3,n-i)+1); const vs=[];for(let k=rnd(3);k>0;k--)vs.push(val(1)); return ['splice',l,i,del,vs]}
  if(r==4&&o.counters.length) return ['inc',pick(o.counters),rnd(20)-10]
  if(o.texts.length){
    const t=pick(o.texts), n=at(d,t).length
    if(r<10){ const i=rnd(n+1), del=rnd(2)?0:rnd(Math.min(6,n-i)+1); return ['text',t,i,del,pick(words)] }
    if(r==14) return ['block',t,rnd(n+1),{level:pick([true,false,null])}]
    const s=rnd(n+1), e=s+rnd(n-s+1)
    if(r==13) return ['unmark',t,s,e,pick(['after','before','both','none']),pick(['b','i'])]
    return ['mark',t,s,e,pick(['after','before','both','none']),pick(['b','i']),pick([true,"x",1,2])]
  }
  return ['set',['t'],'text']
}
const cases=[]
for(let c=0;c<+process.argv[2];c++){
  const textOnly=c%3==0
  const n=1+rnd(3), actors=[...Array(n)].map((_,i)=>((c*7+i*5+1)%256).toString(16).padStart(2,'0').repeat(16))
  let base=A.change(A.init(actors[0]),{time:0},d=>{ d.t="some text😀 here"; if(!textOnly){d.l=[1,2,3];d.m={}} })
  const steps=[]
  const ch0=A.getLastLocalChange(base); steps.push({actor:0,merge:[],edits:[['set',['t'],"some text😀 here"],...(textOnly?[]:[['set',['l'],[1,2,3]],['set',['m'],{}]])],change:Buffer.from(ch0).toString('hex')})
  const docs=actors.map((a,i)=>i?A.clone(base,{actor:a}):base)
  for(let s=0;s<6+rnd(14);s++){
    const i=rnd(n), merge=[]
    if(n>1&&rnd(3)==0){ const j=(i+1+rnd(n-1))%n; merge.push(j); docs[i]=A.merge(docs[i],docs[j]); docs[i]=A.load(A.save(docs[i]),{actor:actors[i]}) }
    const edits=[]; let bad=false
    const nd=A.clone(docs[i],{actor:actors[i]})
    let out
    try{ out=A.change(nd,{time:0},d=>{ for(let k=1+rnd(4);k>0;k--){ const e=edit(d,textOnly); edits.push(e); run(d,e) } }) }catch(err){ if(process.env.V) console.error(c,err.message.split('\n')[0],JSON.stringify(edits)); bad=true }
    if(bad){ if(merge.length) { steps.push({actor:i,merge,edits:[],change:""}) } continue }
    const chs=A.getChanges(docs[i],out)
    docs[i]=out
    steps.push({actor:i,merge,edits,change:chs.length?Buffer.from(chs[0]).toString('hex'):""})
  }
  cases.push({actors,steps})
}
fs.writeFileSync(process.argv[3],JSON.stringify(cases))
console.log(cases.length,cases.reduce((a,c)=>a+c.steps.length,0))
