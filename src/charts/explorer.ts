/**
 * @file The part of the atlas page that answers to a person: a map of points, a matrix, a search box and a
 * panel for the chosen point. Plain DOM code in the page itself; it works without a network.
 */
import { escapeHtml } from './html.ts';

export interface ExplorerPoint {
  readonly name: string;
  readonly group: number;
  readonly x: number;
  readonly y: number;
  /** Lines of the panel: a heading and what stands under it. */
  readonly details: readonly (readonly [heading: string, text: string])[];
  /** Names that are lit up with it. */
  readonly near: readonly string[];
  readonly texts: readonly string[];
}

export interface ExplorerData {
  readonly points: readonly ExplorerPoint[];
  readonly groups: readonly string[];
  /** [points][points], from -1 to 1. */
  readonly matrix: readonly (readonly number[])[];
  readonly xLabel: string;
  readonly yLabel: string;
}

/** Ten hues that stay apart for colour-blind eyes (Okabe and Ito, 2008, and two greys). */
const hues = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#8c6d31',
  '#7f7f7f',
  '#b2abd2',
  '#444444',
];

const style = `
.explorer{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:16px}
@media(max-width:760px){.explorer{grid-template-columns:minmax(0,1fr)}}
.explorer svg circle{cursor:pointer;stroke:var(--ground);stroke-width:1}.explorer svg text{pointer-events:none;fill:var(--ink)}
.explorer .dim{opacity:.22}.pick{display:flex;gap:8px;flex-wrap:wrap;margin:.6rem 0}.pick input{font:inherit;padding:6px 10px;border:1px solid var(--line);border-radius:6px;background:var(--ground);color:var(--ink);min-width:14rem}
.panel{border:1px solid var(--line);border-radius:8px;background:var(--card);padding:14px;max-height:560px;overflow:auto}.panel h3{margin:0 0 .4rem;font-size:1.15rem}.panel h4{margin:.8rem 0 .1rem;font-size:.8rem;color:var(--soft);font-weight:600}
.panel p{margin:.1rem 0;font-size:.92rem}.panel blockquote{margin:.5rem 0;padding-left:10px;border-left:3px solid var(--line);font-size:.9rem}
.panel button{font:inherit;font-size:.9rem;border:0;background:none;color:inherit;text-decoration:underline;cursor:pointer;padding:0 6px 0 0}
.groups{display:flex;flex-wrap:wrap;gap:4px 14px;font-size:.84rem;color:var(--soft)}.groups i{display:inline-block;width:10px;height:10px;border-radius:50%;margin-right:5px}
.matrix{width:100%;height:auto;image-rendering:pixelated;cursor:crosshair;display:block}.readout{min-height:1.6em;font-size:.9rem;color:var(--soft)}`;

/** Page code; it reads the JSON beside it. Kept small and free of libraries. */
const script = `
const data=JSON.parse(document.getElementById('atlas-data').textContent),hues=data.hues,svg=document.getElementById('map'),panel=document.getElementById('panel'),box=document.getElementById('search'),canvas=document.getElementById('matrix'),readout=document.getElementById('readout');
const W=640,H=520,P=34,xs=data.points.map(p=>p.x),ys=data.points.map(p=>p.y),sx=v=>P+(v-Math.min(...xs))/(Math.max(...xs)-Math.min(...xs)||1)*(W-2*P),sy=v=>H-P-(v-Math.min(...ys))/(Math.max(...ys)-Math.min(...ys)||1)*(H-2*P);
const el=(n,a,t)=>{const e=document.createElementNS('http://www.w3.org/2000/svg',n);for(const k in a)e.setAttribute(k,a[k]);if(t!==undefined)e.textContent=t;return e};
const index=new Map(data.points.map((p,i)=>[p.name,i]));let chosen=0;
const dots=data.points.map((p,i)=>{const c=el('circle',{cx:sx(p.x),cy:sy(p.y),r:6,fill:hues[p.group%hues.length]});c.append(el('title',{},p.name));c.addEventListener('click',()=>choose(i));c.addEventListener('mouseenter',()=>{readout.textContent=p.name});svg.append(c);return c});
const labels=el('g',{});svg.append(labels);
svg.append(el('text',{x:W-P,y:H-8,'text-anchor':'end',class:'tick'},data.xLabel),el('text',{x:8,y:16,class:'tick'},data.yLabel));
function choose(i){chosen=i;const p=data.points[i],lit=new Set([p.name,...p.near]);dots.forEach((d,k)=>{d.classList.toggle('dim',!lit.has(data.points[k].name));d.setAttribute('r',k===i?9:6)});
labels.replaceChildren(...[...lit].filter(n=>index.has(n)).map(n=>{const q=data.points[index.get(n)];return el('text',{x:sx(q.x)+9,y:sy(q.y)+4,'font-weight':n===p.name?700:400},n)}));
const h=(t,s)=>{const e=document.createElement(t);e.textContent=s;return e};const parts=[h('h3',p.name)];
for(const[head,text]of p.details){parts.push(h('h4',head),h('p',text))}
parts.push(h('h4','nearest, to go on'));const near=document.createElement('p');for(const n of p.near){const b=h('button',n);b.addEventListener('click',()=>choose(index.get(n)));near.append(b)}parts.push(near);
if(p.texts.length){parts.push(h('h4','stories it was made from'));for(const t of p.texts)parts.push(h('blockquote',t))}
panel.replaceChildren(...parts);panel.scrollTop=0;box.value=p.name;draw()}
box.addEventListener('input',()=>{const i=index.get(box.value.trim().toLowerCase());if(i!==undefined)choose(i)});
box.addEventListener('focus',()=>box.select());
box.addEventListener('keydown',e=>{if(e.key==='ArrowDown'||e.key==='ArrowUp'){e.preventDefault();choose((chosen+(e.key==='ArrowDown'?1:data.points.length-1))%data.points.length)}});
const n=data.points.length;canvas.width=n;canvas.height=n;
function draw(){const g=canvas.getContext('2d'),im=g.createImageData(n,n);for(let r=0;r<n;r++)for(let c=0;c<n;c++){const v=data.matrix[r][c],s=Math.min(1,Math.abs(v)),t=v<0?[33,102,172]:[217,95,2],o=4*(r*n+c),edge=r===chosen||c===chosen;for(let k=0;k<3;k++)im.data[o+k]=Math.round(255+(t[k]-255)*s);im.data[o+3]=edge?255:215}g.putImageData(im,0,0)}
const at=e=>{const b=canvas.getBoundingClientRect();return[Math.min(n-1,Math.floor((e.clientY-b.top)/b.height*n)),Math.min(n-1,Math.floor((e.clientX-b.left)/b.width*n))]};
canvas.addEventListener('mousemove',e=>{const[r,c]=at(e);if(data.points[r]&&data.points[c])readout.textContent=data.points[r].name+' and '+data.points[c].name+': cosine '+data.matrix[r][c].toFixed(2)});
canvas.addEventListener('click',e=>choose(at(e)[0]));
choose(Math.max(0,index.get(decodeURIComponent(location.hash.slice(1)))??0));`;

/** HTML of the explorer; put it on a page once. */
export function renderExplorer(data: ExplorerData): string {
  const rounded = {
    ...data,
    hues,
    matrix: data.matrix.map((row) => row.map((value) => Math.round(value * 100) / 100)),
  };
  // A closing tag inside the JSON would end the script element.
  const json = JSON.stringify(rounded).replaceAll('<', String.raw`\u003c`);
  const groups = data.groups
    .map(
      (name, i) =>
        `<span><i style="background:${hues[i % hues.length]}"></i>${escapeHtml(name)}</span>`,
    )
    .join('');
  const options = data.points
    .map(({ name }) => `<option value="${escapeHtml(name)}"></option>`)
    .join('');
  return `<style>${style}</style><div class="pick"><input id="search" list="names" placeholder="an emotion" aria-label="Search an emotion; arrow keys go on"><datalist id="names">${options}</datalist><span class="readout" id="readout"></span></div>
<div class="explorer"><figure style="margin:0"><svg id="map" viewBox="0 0 640 520" role="img" aria-label="Map of the emotions"></svg><div class="groups">${groups}</div></figure><div class="panel" id="panel" aria-live="polite"></div></div>
<h3>Cosines of all pairs</h3><p class="lead">Rows and columns in cluster order; orange is alike, blue is opposite. Click a row to choose its emotion.</p><figure><canvas class="matrix" id="matrix" role="img" aria-label="Matrix of cosines"></canvas></figure>
<script type="application/json" id="atlas-data">${json}</script><script>${script}</script>`;
}
