// Holds synthesized templates against cdk-nag's AwsSolutions rules and prints the
// CDK's validation report, JSON. It acknowledges nothing: the test that reads the
// report knows the exceptions, with their evidence.
//
//   node nag.mjs template.json...
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { App, DefaultStackSynthesizer, Stack, Validations } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks } from 'cdk-nag';

const outdir = mkdtempSync(join(tmpdir(), 'nag-'));
process.on('exit', () => rmSync(outdir, { recursive: true, force: true }));
const app = new App({ analyticsReporting: false, outdir });
for (const file of process.argv.slice(2)) {
  const stack = new Stack(app, basename(file, '.template.json'), {
    // The parameter of the bootstrap's version is in the template already.
    synthesizer: new DefaultStackSynthesizer({ generateBootstrapVersionRule: false }),
  });
  new CfnInclude(stack, 'Template', { templateFile: file });
}
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
let failure;
try {
  app.synth();
} catch (e) {
  failure = e; // also thrown for findings: the report tells
}
const report = join(outdir, 'validation-report.json');
if (!existsSync(report)) throw failure;
console.log(readFileSync(report, 'utf8'));
