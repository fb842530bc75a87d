// The old service beside passflow: loads, validates, changes and saves cache documents through mongoose until its standard
// input ends. node keeper.js DIRECTORY_OF_MONGOOSE MONGODB_URI DATABASE COLLECTION
// Tells a line after each ten saves, and at its end as JSON what it saved last.
'use strict';
const path = require('node:path');

const [directory, uri, database, collection] = process.argv.slice(2);
const mongoose = require(path.join(path.resolve(directory), 'node_modules', 'mongoose'));

const pass = {
  pass_uuid: String, timestamp: Number, status: String, free_ticket_status: Number,
  payload: mongoose.Schema.Types.Mixed, payload_hash: String,
};
const logEntry = { errors: mongoose.Schema.Types.Mixed, server_time: String, data: mongoose.Schema.Types.Mixed };
const Cache = mongoose.model('Cache', new mongoose.Schema({
  user_id: { type: Number, required: true }, timestamp: Number,
  passes: [pass], passes4: [pass], passesLog: [logEntry], passes4Log: [logEntry],
  keeper: Number,
}), collection);

const told = { version: mongoose.version, saves: 0, version_errors: 0, keeper: {}, free: {} };
let number = 0;

// What the old code did: an own field, an element's field, an array put back as it was.
function change(doc) {
  number += 1;
  const kind = number % 3;
  const user = doc.user_id;
  if (kind === 0) {
    doc.keeper = number;
    return () => { told.keeper[user] = number; };
  }
  if (kind === 1 && doc.passes.length > 0) {
    const chosen = doc.passes[number % doc.passes.length];
    chosen.free_ticket_status = number;
    return () => { told.free[`${user}/${chosen.pass_uuid}`] = number; };
  }
  doc.passes = doc.passes.toObject();
  doc.markModified('passes');
  return () => {};
}

async function once() {
  const count = await Cache.countDocuments({ timestamp: { $gt: 0 } });
  const doc = count && await Cache.findOne({ timestamp: { $gt: 0 } }).skip(Math.floor(Math.random() * count));
  if (!doc) return;
  await doc.validate();
  const saved = change(doc);
  try {
    await doc.save();
    saved();
    told.saves += 1;
    if (told.saves % 10 === 0) console.log(told.saves);
  } catch (error) {
    // Somebody was faster: the old code loads the document anew.
    if (error.name !== 'VersionError') throw error;
    told.version_errors += 1;
  }
}

async function main() {
  let ended = false;
  process.stdin.on('end', () => { ended = true; }).resume();
  await mongoose.connect(uri, { dbName: database, writeConcern: { w: 'majority' }, serverSelectionTimeoutMS: 10000 });
  while (!ended) await once();
  console.log(JSON.stringify(told));
  await mongoose.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
