import { createTestSuite } from "@workflow/world-testing";

createTestSuite(process.env.SUITE_WORLD);
