// What the rules of semgrep.yml find (ruleid) and leave alone (ok). Nobody runs this.
// ok: html-from-pieces
place.textContent = name;
// ok: html-from-pieces
place.innerHTML = "";
// ruleid: html-from-pieces
place.innerHTML = `<b>${name}</b>`;
// ruleid: html-from-pieces
place.insertAdjacentHTML("beforeend", name);
// ruleid: message-to-anybody
parent.postMessage(word, "*");
// ruleid: message-to-anybody
window.addEventListener("message", hear);
// ok: leads-where-the-address-says
fetch("/cases");
// ruleid: leads-where-the-address-says
fetch(new URLSearchParams(location.search).get("url"));
// ruleid: leads-where-the-address-says
location.assign(location.hash.slice(1));
