#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

import ArgumentParser
import ConnectAPI
import ConnectSQL

/// `sluice verify`
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare tables of two databases: counts, values, and the keys of rows that differ.",
        discussion: """
            Example:
              sluice verify --source jdbc:mysql://localhost/shop --source-user root \\
                --target jdbc:postgresql://localhost/copy --target-user app --table users=public.users

            Nothing is locked, and rows on their way are given time to arrive. Passwords may also come from
            SLUICE_SOURCE_PASSWORD and SLUICE_TARGET_PASSWORD. Exit status: 0 alike, 1 different or failed.
            """
    )

    @Option(help: ArgumentHelp("The JDBC URL of the tables that are right.", valueName: "url"))
    var source: String

    @Option(help: ArgumentHelp("The JDBC URL of the copies.", valueName: "url"))
    var target: String

    @Option(help: ArgumentHelp("Tables: source=target, or one name for both. May be given again.", valueName: "a=b"))
    var table: [String]

    @Option(help: ArgumentHelp("Columns to find rows by (default: the source's primary key).", valueName: "a,b"))
    var key: String = ""

    @Option(help: ArgumentHelp("User of the source.", valueName: "name"))
    var sourceUser: String?

    @Option(help: ArgumentHelp("Password of the source.", valueName: "text"))
    var sourcePassword: String?

    @Option(help: ArgumentHelp("User of the target.", valueName: "name"))
    var targetUser: String?

    @Option(help: ArgumentHelp("Password of the target.", valueName: "text"))
    var targetPassword: String?

    @Option(help: ArgumentHelp("How long rows that differ are given before they count.", valueName: "milliseconds"))
    var settleMs: Int = 2_000

    @Option(help: ArgumentHelp("How many differing rows are printed.", valueName: "count"))
    var show: Int = 20

    func run() async throws {
        let verifier: TableVerifier
        do throws(ConnectError) {
            verifier = try TableVerifier(
                source: TableVerifier.Endpoint(
                    url: source, user: sourceUser,
                    password: (sourcePassword ?? Self.environment("SLUICE_SOURCE_PASSWORD")).map { Secret($0) }),
                target: TableVerifier.Endpoint(
                    url: target, user: targetUser,
                    password: (targetPassword ?? Self.environment("SLUICE_TARGET_PASSWORD")).map { Secret($0) }),
                settle: .milliseconds(max(settleMs, 0)))
        } catch {
            throw CommandFailure(error.message)
        }
        var isEqual = true
        for pair in table {
            let names = pair.split(separator: "=", maxSplits: 1).map(String.init)
            guard let first = names.first else { throw ValidationError("--table needs a table's name") }
            let report: TableVerifier.Report
            do {
                report = try verifier.compare(
                    first, names.count > 1 ? names[1] : first, key: key.split(separator: ",").map(String.init)
                ) { progress in
                    if progress.rows % 100_000 == 0 {
                        Terminal.printError(
                            "\(first): \(progress.rows) rows compared, \(progress.differences) differ so far")
                    }
                }
            } catch let error as ConnectError {
                throw CommandFailure(error.message)
            }
            Self.print(report, show)
            isEqual = isEqual && report.isEqual
        }
        if !isEqual { throw ExitCode(1) }
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    private static func print(_ report: TableVerifier.Report, _ show: Int) {
        let verdict = report.isEqual ? "alike" : "DIFFERENT"
        Terminal.print(
            "\(report.source) = \(report.target): \(verdict); \(report.sourceRows) and \(report.targetRows) rows, "
                + "\(report.columns.count) columns compared"
                + (report.rowsByChecksum > 0 ? ", \(report.rowsByChecksum) rows by checksum" : ""))
        if !report.onlyInSource.isEmpty {
            Terminal.print("  only in source: \(report.onlyInSource.joined(separator: ", "))")
        }
        if !report.onlyInTarget.isEmpty {
            Terminal.print("  only in target: \(report.onlyInTarget.joined(separator: ", "))")
        }
        for (key, fault) in report.faults.prefix(show) {
            switch fault {
            case .missing: Terminal.print("  \(key): missing in target")
            case .unexpected: Terminal.print("  \(key): not in source")
            case .different(let columns): Terminal.print("  \(key): differs in \(columns.joined(separator: ", "))")
            }
        }
        let hidden = report.faults.count - min(report.faults.count, show)
        if hidden > 0 || report.isCut { Terminal.print("  and \(hidden)\(report.isCut ? " or more" : "") others") }
    }
}
