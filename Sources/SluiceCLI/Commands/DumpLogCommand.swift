import ArgumentParser

/// `sluice dump-log`
struct DumpLogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump-log",
        abstract: "Print what is in the files of a partition's log.",
        discussion: """
            Reads .log, .index, .timeindex, .txnindex and .snapshot files, also those of
            Apache Kafka, and prints them as kafka-dump-log does. A running broker is
            not disturbed.

            Example:
              sluice dump-log --print-data-log \\
                --files sluice-data/news-0/00000000000000000000.log
            """)

    @Option(help: ArgumentHelp("The files, separated by commas.", valueName: "paths"))
    var files: String

    @Flag(help: "Print keys, values and headers' names of the records; implies --deep-iteration.")
    var printDataLog = false

    @Flag(help: "Print each record, not only batches.")
    var deepIteration = false

    @Flag(help: "With --print-data-log: only keys and values.")
    var skipRecordMetadata = false

    @Option(help: ArgumentHelp("Stop after this many bytes of a .log file.", valueName: "bytes"))
    var maxBytes: Int?

    @Flag(help: "Check index files and print no entries.")
    var verifyIndexOnly = false

    @Flag(name: .customLong("index-sanity-check"), help: "The same as --verify-index-only.")
    var indexSanityCheck = false

    func validate() throws {
        if let maxBytes, maxBytes <= 0 { throw ValidationError("--max-bytes must be positive, not \(maxBytes)") }
        if paths.isEmpty { throw ValidationError("--files names no file") }
    }

    private var paths: [String] { files.split(separator: ",").map(\.trimmed).filter { !$0.isEmpty } }

    func run() throws {
        var faults = 0
        for path in paths {
            Terminal.print("Dumping \(path)")
            var dump = try SegmentDump(
                path: path, isDeep: deepIteration || printDataLog, printsData: printDataLog,
                printsMetadata: !skipRecordMetadata, maxBytes: maxBytes ?? .max,
                printsIndex: !verifyIndexOnly && !indexSanityCheck)
            try dump.run()
            faults += dump.faults.count
            for fault in dump.faults { Terminal.printError(fault) }
        }
        if faults > 0 { throw CommandFailure("\(faults) faults were found; they are listed above") }
    }
}
