import { ladderStyle, pageStyle, palette } from '../report/style.js'

/** The parts of the page that the server draws and sends anew when they change. */
export type Region = 'lab' | 'rate' | 'topology' | 'ask' | 'flows' | 'ladder' | 'conntrack' | 'rules' | 'routes' | 'switches' | 'commands'

const liveStyle = `
body.live{font-size:14px}
.live header,.live main{max-width:none;padding:0 16px}
.live header{display:flex;flex-wrap:wrap;gap:4px 24px;align-items:center;padding-top:10px;padding-bottom:8px;border-bottom:1px solid var(--line)}
.live header p{margin:0}
.live main{display:grid;grid-template-columns:minmax(250px,350px) minmax(0,1fr);gap:0 20px;align-items:start}
.live .tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr));gap:0 20px}
.live .tables>div{min-width:0}
.live main>div{min-width:0}
@media (max-width:1100px){.live main{grid-template-columns:1fr}}
.live h2{font-size:13px;color:var(--soft);text-transform:uppercase;letter-spacing:.04em;margin:16px 0 6px}
.live h3{font-size:14px;color:var(--ink);margin:0 0 4px;overflow-wrap:anywhere}
.live h4{font-size:12px;color:var(--soft);margin:8px 0 2px}
.live p{margin:4px 0}
.live button,.live select{font:inherit;font-size:13px;color:var(--ink);background:var(--raised);border:1px solid var(--line);border-radius:5px;padding:2px 8px;margin:0 2px 4px 0;cursor:pointer;max-width:100%}
.live button[aria-pressed=true]{background:var(--there-ground);border-color:var(--there);font-weight:600}
.live button:focus-visible,.live select:focus-visible,.live summary:focus-visible{outline:2px solid var(--there);outline-offset:1px}
.live select{max-width:230px}
.live .host{border:1px solid var(--line);border-radius:8px;background:var(--panel);padding:8px 10px;margin-bottom:8px}
.live ul.ports,.live ul.pods{list-style:none;margin:4px 0 0;padding:0;font-size:12px}
.live ul.ports{display:flex;flex-wrap:wrap;gap:4px}
.live ul.ports li{border:1px solid var(--line);border-radius:4px;padding:0 6px;background:var(--raised)}
.live ul.pods{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:5px;margin-top:6px}
.live ul.pods li{border:1px dashed var(--line);border-radius:6px;padding:3px 7px;background:var(--raised);overflow-wrap:anywhere;line-height:1.35}
.live ul.pods li.waiting{border-color:var(--back)}
.live li.busy{border-color:var(--there)!important;border-style:solid!important;box-shadow:inset 0 0 0 1px var(--there);background:var(--there-ground)!important}
.live ol.flows{list-style:none;margin:0;padding:0;max-height:190px;overflow-y:auto;border:1px solid var(--hair);border-radius:6px}
.live ol.flows button{width:100%;text-align:left;border:0;border-radius:0;margin:0;background:none}
.live ol.flows button[aria-pressed=true]{background:var(--there-ground)}
.live .note{border-left:4px solid var(--there);background:var(--there-ground);padding:6px 10px;font-size:13px;overflow-wrap:anywhere}
.live td.mono{font-size:11.5px;overflow-wrap:anywhere}
.live table{font-size:12px}
.live td:first-child{white-space:nowrap}
.live tr.lit td{background:var(--there-ground)}
.live .tall{max-height:330px;overflow:auto}
.live pre{font-size:11.5px;margin:2px 0;white-space:pre-wrap;overflow-wrap:anywhere;max-height:170px;overflow:auto}
.live ol.commands{list-style:none;margin:0;padding:0}
.live ol.commands li{border-left:3px solid var(--line);padding:2px 8px;margin-bottom:6px;overflow-wrap:anywhere}
.live ol.commands li.done{border-color:var(--good)}.live ol.commands li.failed{border-color:var(--bad)}.live ol.commands li.running{border-color:var(--there)}
.live details{margin:0 0 4px}
.live .rate polyline{fill:none;stroke:var(--there);stroke-width:1.5}
.live #gone{color:var(--bad);font-weight:600}
`

/** The page without its contents; the script asks for those with the token of its address. */
export const livePage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>podwire live</title>
<style>${palette}${ladderStyle}${pageStyle}${liveStyle}</style>
<script type="module" src="/live-page.js"></script>
</head>
<body class="live">
<header><h1>podwire</h1><p id="lab"></p><p id="rate"></p><p><button type="button" id="save">Save as report</button></p><p id="gone" role="status"></p></header>
<main>
<div><h2>Topology</h2><div id="topology"></div><h2>Switches</h2><div id="switches"></div><h2>Commands</h2><div id="commands" class="tall"></div></div>
<div><h2>Send</h2><div id="ask"></div><h2>Conversations</h2><div id="flows"></div><h2>Ladder</h2><div id="ladder"></div>
<div class="tables"><div><h2>Rules that count</h2><div id="rules" class="tall"></div></div><div><h2>Connection tracking</h2><div id="conntrack" class="tall"></div></div></div>
<h2>Routes and tunnels</h2><div id="routes"></div></div>
</main>
<noscript>This page fills itself by a script of its own; without scripts use <code>podwire trace</code> and the report of <code>podwire flow test</code>.</noscript>
</body>
</html>
`
