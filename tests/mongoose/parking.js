// The old service's model of parking events: reads all, validates them, and saves a change of one.
// node parking.js DIRECTORY_OF_MONGOOSE MONGODB_URI DATABASE COLLECTION ID_TO_CHANGE
// Tells as JSON what it read: of each event the fields, and the types that JavaScript sees.
'use strict';
const path = require('node:path');

const [directory, uri, database, collection, changed] = process.argv.slice(2);
const mongoose = require(path.join(path.resolve(directory), 'node_modules', 'mongoose'));

const Event = mongoose.model('Event', new mongoose.Schema({
  _id: String, card: String, http_status: Number, response: mongoose.Schema.Types.Mixed,
}, { timestamps: true }), collection);

async function main() {
  await mongoose.connect(uri, { dbName: database, writeConcern: { w: 'majority' }, serverSelectionTimeoutMS: 10000 });
  const told = {};
  for (const event of await Event.find().sort({ _id: 1 })) {
    // What is no number stays readable as it lies there, as the old model could not have written it.
    const status = await Event.findById(event._id).lean().then((plain) => plain.http_status);
    if (typeof status !== 'string') await event.validate();
    told[event._id] = {
      card: event.card, http_status: status, response: event.response, version: event.__v,
      dates: event.createdAt instanceof Date && event.updatedAt instanceof Date, createdAt: event.createdAt,
    };
  }
  const event = await Event.findById(changed);
  event.response = { reviewed: true };
  await event.save();
  console.log(JSON.stringify(told));
  await mongoose.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
