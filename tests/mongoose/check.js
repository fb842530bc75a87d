// Writes and reads one document through mongoose: node check.js DIRECTORY_OF_MONGOOSE MONGODB_URI
// DIRECTORY_OF_MONGOOSE holds node_modules, as `scripts/servers install mongoose` makes it for v6 and v8.
'use strict';
const assert = require('node:assert');
const path = require('node:path');

const [directory, uri] = process.argv.slice(2);
const mongoose = require(path.join(path.resolve(directory), 'node_modules', 'mongoose'));

async function main() {
  mongoose.set('strictQuery', true);
  await mongoose.connect(uri, { dbName: 'mongoose_check', writeConcern: { w: 'majority' }, serverSelectionTimeoutMS: 10000 });
  const schema = new mongoose.Schema({ user_id: Number, passes: [{ status: String }] });
  const Check = mongoose.model('Check', schema, 'check');
  await Check.deleteMany({});
  await Check.create({ user_id: 42, passes: [{ status: 'USABLE' }] });
  const found = await Check.findOne({ user_id: 42 });
  assert.strictEqual(found.passes[0].status, 'USABLE');
  found.passes[0].status = 'USING';
  await found.save();
  const saved = await Check.findOne({ 'passes.status': 'USING' }).read('primary').readConcern('majority').lean();
  assert.strictEqual(saved.user_id, 42);
  await mongoose.connection.dropDatabase();
  console.log(`mongoose ${mongoose.version}: written with majority and read back`);
}

main().then(() => mongoose.disconnect()).catch((error) => {
  console.error(error);
  process.exit(1);
});
