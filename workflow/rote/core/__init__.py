"""What every room stands on: errors, seeds, sections, tables, arrays, jobs, verbs, papers."""
