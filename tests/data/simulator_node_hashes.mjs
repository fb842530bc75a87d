// Makes simulator_node_hashes.txt anew after a wanted change of the simulated passes:
//   SIMULATOR_DUMP=$DIR cargo test --test simulator node   (with an empty $DIR; fails until the file is new)
//   node tests/data/simulator_node_hashes.mjs $DIR > tests/data/simulator_node_hashes.txt
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';

const folder = process.argv[2];
for (const file of readdirSync(folder).sort()) {
  const [user, list] = file.split('.');
  const text = new TextDecoder('utf-8').decode(readFileSync(`${folder}/${file}`));
  for (const pass of JSON.parse(text).data.passes) {
    const hash = createHash('md5').update(JSON.stringify(pass)).digest('hex');
    console.log(Number(user), list, pass.uuid, hash);
  }
}
