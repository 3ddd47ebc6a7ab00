// All mail calls by a client library of others (jmap-jam): node jmap_jam.mjs LIBRARY ORIGIN TOKEN. What it saw is JSON.
const [library, origin, bearerToken] = process.argv.slice(2);
const {JamClient} = await import(library);
const client = new JamClient({sessionUrl: `${origin}/.well-known/jmap`, bearerToken});
const accountId = await client.getPrimaryAccount();
const {api} = client;
const saw = {};
const must = (right, what) => { if (!right) throw new Error(what); };

// Lists.
const [boxes] = await api.Mailbox.get({accountId, ids: null});
const role = name => boxes.list.find(box => box.role === name).id;
const inbox = role("inbox"), archive = role("archive"), trash = role("trash");
const [byOrder] = await api.Mailbox.query({accountId, filter: {hasAnyRole: true}, sort: [{property: "sortOrder"}]});
must(byOrder.ids[0] === inbox, "the inbox comes first");
const [screen] = await client.requestMany(t => {
    const found = t.Email.query({accountId, filter: {inMailbox: inbox}, collapseThreads: true, calculateTotal: true,
        sort: [{property: "receivedAt", isAscending: false}], limit: 50});
    const emails = t.Email.get({accountId, ids: found.$ref("/ids"), properties: ["threadId", "subject", "from", "preview"]});
    const threads = t.Thread.get({accountId, ids: emails.$ref("/list/*/threadId")});
    return {found, emails, threads};
});
saw.subjects = screen.emails.list.map(email => email.subject);
saw.threads = screen.threads.list.length;
must(screen.found.total === screen.found.ids.length, "all are on one screen");

// Reads and searches.
const [whole] = await api.Email.get({accountId, ids: [screen.found.ids[0]], fetchAllBodyValues: true});
saw.text = Object.values(whole.list[0].bodyValues).map(part => part.value);
const filter = {operator: "AND", conditions: [{inMailbox: inbox}, {text: "cherries"}]};
const [found] = await api.Email.query({accountId, filter});
const [snippets] = await api.SearchSnippet.get({accountId, filter, emailIds: found.ids});
must(snippets.list.every(one => (one.preview ?? one.subject).toLowerCase().includes("<mark>cherries</mark>")), "words are marked");
const original = await client.downloadBlob({accountId, blobId: whole.list[0].blobId, mimeType: "message/rfc822",
    fileName: "mail.eml"});
saw.original = await original.text();

// Makes, moves and deletes; a state before it all.
const query = {accountId, filter: {inMailbox: inbox}};
const [before] = await api.Email.query(query);
const {state} = (await api.Email.get({accountId, ids: []}))[0];
const [made] = await api.Mailbox.set({accountId, create: {n: {name: "Letters", parentId: null}}});
const letters = made.created.n.id;
const blob = await client.uploadBlob(accountId, new Blob(["From: a@example.net\r\nSubject: By hand\r\n\r\nHello\r\n"]));
const [imported] = await api.Email.import({accountId, emails: {n: {blobId: blob.blobId, mailboxIds: {[letters]: true}}}});
const [set] = await api.Email.set({accountId, ifInState: imported.newState,
    create: {d: {mailboxIds: {[letters]: true}, keywords: {$draft: true}, subject: "A draft", to: [{email: "b@example.org"}],
        textBody: [{partId: "1", type: "text/plain"}], bodyValues: {1: {value: "Dear B"}}}},
    update: {[before.ids[0]]: {mailboxIds: {[archive]: true}, "keywords/$seen": true}, [before.ids[1]]: {[`mailboxIds/${inbox}`]: null,
        [`mailboxIds/${trash}`]: true}},
    destroy: [before.ids[2]]});
must(Object.keys(set.updated).length === 2 && set.destroyed.length === 1 && set.created.d, JSON.stringify(set));
const ids = [imported.created.n.id, set.created.d.id];

// Keeps up by changes.
const [changes] = await api.Email.changes({accountId, sinceState: state});
must(ids.every(id => changes.created.includes(id)) && changes.destroyed[0] === before.ids[2], "changes of emails");
must((await api.Thread.changes({accountId, sinceState: state}))[0].newState === changes.newState, "changes of threads");
const [mailboxes] = await api.Mailbox.changes({accountId, sinceState: state});
must(mailboxes.created.includes(letters), "changes of mailboxes");
const [delta] = await api.Email.queryChanges({...query, sinceQueryState: before.queryState});
const kept = before.ids.filter(id => !delta.removed.includes(id));
for (const {id, index} of delta.added) kept.splice(index, 0, id);
must(JSON.stringify(kept) === JSON.stringify((await api.Email.query(query))[0].ids), "changes of the query");
await api.Mailbox.queryChanges({accountId, sort: [{property: "name"}], sinceQueryState: byOrder.queryState});

// What is refused.
const refused = async (what, type) => must(await what.then(() => false, wrong => wrong.type === type), `refused: ${type}`);
await refused(api.Email.get({accountId: "a999", ids: []}), "accountNotFound");
await refused(api.Email.query({accountId, filter: {colour: 7}}), "unsupportedFilter");
await refused(api.Email.set({accountId, ifInState: "0"}), "stateMismatch");
await refused(api.Email.copy({accountId, fromAccountId: "a999", create: {}}), "fromAccountNotFound");
saw.left = (await api.Email.get({accountId, ids: (await api.Email.query({accountId}))[0].ids,
    properties: ["id", "mailboxIds", "keywords", "subject"]}))[0].list;
console.log(JSON.stringify(saw));
