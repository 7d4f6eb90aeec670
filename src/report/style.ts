/**
 * Colours for light and dark, after the colour-blind safe set of Okabe and Ito: there is blue, back is orange, and what is wrong is red with a
 * shape of its own. Text on its ground has a contrast of at least 4.5 to 1.
 */
export const palette = `
:root{color-scheme:light dark;--ground:#ffffff;--panel:#f6f7f9;--raised:#ffffff;--ink:#1b1f24;--soft:#59636e;--line:#d4d9df;--hair:#e6e9ed;--there:#0a5fae;--there-ground:#e7f1fb;--back:#9a5700;--back-ground:#fdf1e0;--bad:#b3141d;--bad-ground:#fdeaea;--good:#0f6b4a;--good-ground:#e3f4ed;--doubt:#6b4a94;--doubt-ground:#f1ebf9}
@media (prefers-color-scheme:dark){:root{--ground:#101418;--panel:#171c22;--raised:#1d232b;--ink:#e6e9ed;--soft:#9aa5b1;--line:#37414d;--hair:#272f38;--there:#6cb2f7;--there-ground:#16304a;--back:#f0ad55;--back-ground:#3c2c14;--bad:#ff7b7b;--bad-ground:#481f22;--good:#58c99b;--good-ground:#14372b;--doubt:#bd9ff0;--doubt-ground:#2f2447}}
@media print{:root{color-scheme:light;--ground:#fff;--panel:#fff;--raised:#fff;--ink:#000;--soft:#444;--line:#999;--hair:#ccc;--there:#0a4f94;--there-ground:#fff;--back:#834a00;--back-ground:#fff;--bad:#9c0f17;--bad-ground:#fff;--good:#0b5239;--good-ground:#fff;--doubt:#56387c;--doubt-ground:#fff}}
`

/** How a ladder looks, in the page and as a file of its own. */
export const ladderStyle = `
.ladder{font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.ladder text{fill:var(--ink)}
.ladder .paper{fill:var(--ground)}
.ladder .host>rect{fill:var(--panel);stroke:var(--line)}
.ladder .pod{fill:var(--raised);stroke:var(--line);stroke-dasharray:2 2}
.ladder .host-name{font:600 12px system-ui,sans-serif;text-anchor:middle}
.ladder .role,.ladder .port{text-anchor:middle}
.ladder .role{fill:var(--soft);font-size:10px}
.ladder .port{font-weight:600;font-size:9.5px}
.ladder .lane{stroke:var(--line);stroke-width:1}
.ladder .leg-name{font:600 11px system-ui,sans-serif}
.ladder .path .leg-name{fill:var(--there)}
.ladder .reply .leg-name{fill:var(--back)}
.ladder .at{text-anchor:end;fill:var(--soft)}
.ladder .leader{stroke:var(--hair);stroke-dasharray:1 3}
.ladder .arrow{stroke-width:1.8;fill:none}
.ladder .arrow.path{stroke:var(--there)}
.ladder .arrow.reply{stroke:var(--back)}
.ladder .arrow.lost{stroke:var(--bad);stroke-dasharray:4 4}
.ladder .arrow.bad{stroke:var(--bad);stroke-width:2.6}
.ladder .head.path path{fill:var(--there)}
.ladder .head.reply path{fill:var(--ground);stroke:var(--back);stroke-width:1.4}
.ladder .head.lost path,.ladder .head.bad path{fill:var(--bad)}
.ladder .missing .dot{fill:none;stroke:var(--bad);stroke-width:1.6;stroke-dasharray:3 2.4}
.ladder .forbidden .dot{fill:none;stroke:var(--bad);stroke-width:3;stroke-linecap:round}
.ladder .path .seen .dot{fill:var(--there)}
.ladder .reply .seen .dot{fill:var(--ground);stroke:var(--back);stroke-width:2}
.ladder .chip rect{fill:var(--there-ground);stroke:var(--there);stroke-opacity:.45}
.ladder .reply .chip rect{fill:var(--back-ground);stroke:var(--back)}
.ladder .chip.summary rect{fill:none;stroke:none}
.ladder .chip.missing rect{fill:var(--bad-ground);stroke:var(--bad);stroke-opacity:1;stroke-dasharray:3 2}
.ladder .chip.forbidden rect{fill:var(--bad-ground);stroke:var(--bad);stroke-opacity:1}
`

/** How the figures of a benchmark look. */
export const plotStyle = `
.plots{display:flex;flex-wrap:wrap;gap:14px;margin:12px 0}
.plot{margin:0;border:1px solid var(--line);border-radius:8px;padding:10px 12px;max-width:100%}
.plot figcaption{font-size:13px;font-weight:600;margin-bottom:6px}
.plot svg{display:block;max-width:100%;height:auto;font:11px system-ui,sans-serif}
.plot text{fill:var(--ink)}
.plot .axis{fill:var(--soft);text-anchor:middle}.plot .axis.value{text-anchor:end}
.plot .name{text-anchor:end}
.plot .tick{stroke:var(--hair)}.plot .one{stroke:var(--soft);stroke-width:1.4}
.plot .band{fill:var(--line);opacity:.6}
.plot .interval{stroke:currentColor;stroke-width:2.2}.plot circle{fill:currentColor}
.plot .even{color:var(--soft)}.plot .good{color:var(--good)}.plot .bad{color:var(--bad)}
.plot polyline{fill:none;stroke:currentColor;stroke-width:1.8}
.plot .s0{color:var(--there)}.plot .s1{color:var(--back)}.plot .s2{color:var(--good)}.plot .s3{color:var(--doubt)}.plot .s4{color:var(--bad)}.plot .s5{color:var(--soft)}
`

/** The page around the ladders. */
export const pageStyle = `
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main,header{max-width:1400px;margin:0 auto;padding:0 24px}
header{padding-top:28px}
h1{font-size:22px;margin:0 0 4px}
h2{font-size:18px;margin:0}
h3{font-size:13px;margin:20px 0 6px;color:var(--soft);font-weight:600}
code,.mono,td.mono,dd{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:12.5px}
a{color:var(--there)}
.soft{color:var(--soft)}
.counts{display:flex;flex-wrap:wrap;gap:10px;margin:16px 0 12px;padding:0;list-style:none}
.counts li{border:1px solid var(--line);border-radius:8px;padding:8px 16px;min-width:116px;background:var(--panel)}
.counts b{display:block;font-size:26px;line-height:1.15}
.counts .pass b{color:var(--good)}.counts .fail b{color:var(--bad)}.counts .error b{color:var(--doubt)}.counts .none b{color:var(--soft)}
.share{display:block;width:100%;height:8px;margin:0 0 14px}
.share .pass{fill:var(--good)}.share .fail{fill:var(--bad)}.share .error{fill:var(--doubt)}.share .skip{fill:var(--line)}.share .warn{fill:var(--back)}
dl.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:8px 24px;margin:0 0 20px}
dl.facts dt{color:var(--soft);font-size:12px}
dl.facts dd{margin:0;overflow-wrap:anywhere}
.alarm{color:var(--bad);font-weight:600}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th{text-align:left;color:var(--soft);font-weight:600;font-size:12px;border-bottom:1px solid var(--line);padding:5px 10px 5px 0;white-space:nowrap}
td{border-bottom:1px solid var(--hair);padding:5px 10px 5px 0;vertical-align:top}
.matrix{width:auto;margin-bottom:20px}.matrix td{text-align:center;border:1px solid var(--hair);padding:0;font-family:ui-monospace,monospace}
.matrix td a{display:block;padding:3px 8px;text-decoration:none;color:inherit}.matrix td.none{color:var(--soft)}
.matrix thead th{vertical-align:bottom;padding:0 2px}.matrix thead th span{writing-mode:vertical-rl;transform:rotate(180deg);font-weight:400}
.matrix th[scope=row]{border:0;font-weight:400}.matrix .through{color:var(--good)}.matrix .stopped{color:var(--doubt);background:var(--doubt-ground)}
.matrix .wrong{color:var(--bad);background:var(--bad-ground);font-weight:700}
td.number,th.number{text-align:right}
.wide{overflow-x:auto}
.badge{display:inline-block;border-radius:4px;padding:0 8px;font-size:12.5px;font-weight:600;white-space:nowrap;border:1px solid}
.badge.pass{color:var(--good);background:var(--good-ground)}
.badge.fail{color:var(--bad);background:var(--bad-ground)}
.badge.error{color:var(--doubt);background:var(--doubt-ground)}
.badge.warn{color:var(--back);background:var(--back-ground)}
.badge.skip{color:var(--soft);background:var(--panel)}
section.flow{border-top:1px solid var(--line);margin-top:34px;padding-top:22px}
section.flow>.head{display:flex;align-items:center;gap:12px;flex-wrap:wrap}
section.flow .sent{margin:6px 0 12px}
.roles{display:flex;flex-wrap:wrap;gap:4px 20px;margin:0 0 12px;padding:0;list-style:none;font-size:13px}
.findings{margin:0 0 16px;padding:0;list-style:none}
.findings li{border-left:4px solid var(--bad);background:var(--bad-ground);padding:8px 14px;margin-bottom:8px;border-radius:0 6px 6px 0}
.findings li.warn{border-color:var(--back);background:var(--back-ground)}
.findings li.error{border-color:var(--doubt);background:var(--doubt-ground)}
.findings p{margin:2px 0}
.picture{overflow-x:auto;border:1px solid var(--line);border-radius:8px;background:var(--ground)}
.picture svg{display:block;max-width:100%;height:auto}
@media screen and (max-width:900px){.picture svg{max-width:none}}
.legend{display:flex;flex-wrap:wrap;gap:4px 22px;font-size:12.5px;color:var(--soft);margin:6px 2px 0}
.legend b{font-weight:600}.legend .there{color:var(--there)}.legend .back{color:var(--back)}.legend .bad{color:var(--bad)}
details{margin-top:12px}
summary{cursor:pointer;color:var(--there);font-size:13.5px}
details table{margin-top:8px}
tr.missing td,tr.forbidden td{color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(430px,100%),1fr));gap:12px}
.card{border:1px solid var(--line);border-radius:8px;padding:10px 14px;background:var(--panel)}
.card h4{margin:0 0 8px;font-size:13px}
.card .tuple{display:grid;grid-template-columns:64px 1fr auto 1fr;gap:3px 8px;align-items:baseline;margin:0}
.card .tuple>span{color:var(--soft);font-size:12px}
.card .changed{font-weight:700;color:var(--there)}
.card p{margin:8px 0 0;font-size:13px}
.peel .layer{display:flex;align-items:center;gap:8px;border:1px solid var(--line);border-radius:5px;padding:3px 3px 3px 8px;background:var(--raised);font-size:12px;white-space:nowrap}.peel .layer .layer{flex:1}.peels{display:flex;flex-wrap:wrap;gap:12px}.peels .card{max-width:100%}
.card.why{border-left:4px solid var(--bad)}.card ul{margin:8px 0 0;padding-left:18px;overflow-wrap:anywhere}
footer{max-width:1400px;margin:40px auto 28px;padding:0 24px;color:var(--soft);font-size:12.5px}
@media print{body{font-size:11pt}main,header,footer{max-width:none;padding:0}.picture,.wide{overflow:visible;border:0}.picture svg{width:100%;height:auto}section.flow{break-before:page;border:0;margin:0}.card,.findings li{break-inside:avoid}details::details-content{content-visibility:visible;block-size:auto;overflow:visible}summary{color:var(--soft)}a{color:inherit;text-decoration:none}}
`
