public import ConnectAPI

/// Compares two tables, which may be in databases of different vendors, so that a user can prove that they are in step.
///
/// A table whose key is one whole number is compared in ranges of it. Two databases of one vendor compute a checksum of
/// each range, and only ranges in which it differs are read; otherwise both are read once, in the order of the key.
/// Nothing is locked. Every value of the columns that both have is compared in the form in which it would be a record's.
/// Rows that differ are read again after a while, because tables that are being copied are never still.
public struct TableVerifier: Sendable {
    /// A database.
    public struct Endpoint: Sendable {
        /// The JDBC URL.
        public var url: String
        /// The user; nil if the URL names one or none is needed.
        public var user: String?
        /// The password.
        public var password: Secret?

        /// Makes an endpoint.
        public init(url: String, user: String? = nil, password: Secret? = nil) {
            self.url = url
            self.user = user
            self.password = password
        }
    }

    /// How far a comparison is.
    public struct Progress: Sendable, Hashable {
        /// Rows of the source that have been compared.
        public var rows: Int
        /// Rows that differ so far.
        public var differences: Int
    }

    /// What is wrong with a row.
    public enum Fault: Sendable, Hashable {
        /// The target has no row of that key.
        case missing
        /// The source has no row of that key.
        case unexpected
        /// The named columns differ.
        case different([String])
    }

    /// What a comparison found.
    public struct Report: Sendable {
        /// The source table's name.
        public var source: String
        /// The target table's name.
        public var target: String
        /// How many rows the source has.
        public var sourceRows = 0
        /// How many rows the target has.
        public var targetRows = 0
        /// How many of the source's rows are alike by the checksums that the databases have computed.
        public var rowsByChecksum = 0
        /// The columns that were compared.
        public var columns: [String] = []
        /// Columns that the target lacks.
        public var onlyInSource: [String] = []
        /// Columns that the source lacks.
        public var onlyInTarget: [String] = []
        /// Faulty rows by their key, at most ``TableVerifier/limit``.
        public var faults: [(key: String, fault: Fault)] = []
        /// Whether there were more than that.
        public var isCut = false

        /// Whether every row is there, once, and alike.
        public var isEqual: Bool { faults.isEmpty && !isCut }
    }

    /// How many faulty rows are listed.
    public static let limit = 1_000

    private let source: Database
    private let target: Database
    private let settleMilliseconds: Int
    /// How many rows of the source a range has.
    var rangeRows = 10_000

    /// Makes a verifier.
    /// - Parameter settle: how long rows that differ are given before they are read again.
    /// - Throws: an error of the configuration that names the URL.
    public init(source: Endpoint, target: Endpoint, settle: Duration = .seconds(2)) throws(ConnectError) {
        self.source = try Self.database(source)
        self.target = try Self.database(target)
        let (seconds, attoseconds) = settle.components
        settleMilliseconds = Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000)
    }

    private static func database(_ endpoint: Endpoint) throws(ConnectError) -> Database {
        var config = ["connection.url": endpoint.url, "topic.prefix": "t", "mode": "bulk"]
        config["connection.user"] = endpoint.user
        config["connection.password"] = endpoint.password?.revealed
        return try Database(SQLSourceConnector.configDefinition.parse(config), for: .source)
    }

    /// Compares two tables. Blocks.
    /// - Parameters:
    ///   - key: the columns to find rows by; empty means the source's primary key.
    ///   - progress: called every few thousand rows.
    public func compare(
        _ sourceTable: String, _ targetTable: String, key: [String] = [], progress: (Progress) -> Void = { _ in }
    ) throws -> Report {
        let left = try VerifiedTable(source, sourceTable)
        defer { left.close() }
        let right = try VerifiedTable(target, targetTable)
        defer { right.close() }
        let plan = try VerifyPlan(left.definition, right.definition, key: key)
        var report = Report(source: sourceTable, target: targetTable)
        report.columns = plan.columns.map(\.source)
        report.onlyInSource = plan.onlyInSource
        report.onlyInTarget = plan.onlyInTarget
        var faults: [Finding] = []
        let isRanged = left.isRanged(by: plan.columns[0].source) && plan.keyCount == 1
        let isRangedToo = isRanged && right.isRanged(by: plan.columns[0].target)
        var range = VerifyRange()
        repeat {
            if isRangedToo { range.through = try left.boundary(of: plan.columns[0].source, range, rows: rangeRows) }
            if isRangedToo, let count = try commonCount(left, right, plan, range) {
                report.sourceRows += count
                report.targetRows += count
                report.rowsByChecksum += count
                progress(Progress(rows: report.sourceRows, differences: faults.count))
            } else {
                try left.open(plan.columns.map(\.source), keyCount: plan.keyCount, range)
                try right.open(plan.columns.map(\.target), keyCount: plan.keyCount, range)
                try merge(left, right, plan, &report, &faults, progress)
            }
            range = VerifyRange(after: range.through)
        } while range.after != nil
        if !faults.isEmpty, !report.isCut, settleMilliseconds > 0 {
            Blocking.sleep(milliseconds: settleMilliseconds)
            faults = try recheck(faults, left, right, plan)
        }
        report.faults = faults.map { ($0.text, $0.fault) }
        return report
    }

    /// A faulty row.
    private struct Finding {
        let key: [VerifyValue]
        var fault: Fault

        var text: String { key.map(\.description).joined(separator: ", ") }
    }

    /// How many rows a range has on both sides, if checksums say that they are alike; nil if they do not, or if the
    /// databases have none in common.
    private func commonCount(
        _ left: VerifiedTable, _ right: VerifiedTable, _ plan: VerifyPlan, _ range: VerifyRange
    ) throws -> Int? {
        guard source.dialect.name == target.dialect.name,
            let ours = try left.checksum(plan.columns.map(\.source), range),
            let theirs = try right.checksum(plan.columns.map(\.target), range), ours == theirs
        else { return nil }
        return ours.count
    }

    private func merge(
        _ left: VerifiedTable, _ right: VerifiedTable, _ plan: VerifyPlan, _ report: inout Report,
        _ findings: inout [Finding], _ progress: (Progress) -> Void
    ) throws {
        func note(_ row: [VerifyValue], _ fault: Fault) {
            if findings.count < Self.limit {
                findings.append(Finding(key: Array(row.prefix(plan.keyCount)), fault: fault))
            } else {
                report.isCut = true
            }
        }
        var source = try left.next()
        var target = try right.next()
        while source != nil || target != nil {
            let order = Self.order(source, target, plan.keyCount)
            if order == 0, let a = source, let b = target {
                let different = plan.differences(a, b)
                if !different.isEmpty { note(a, .different(different)) }
            } else if order < 0, let a = source {
                note(a, .missing)
            } else if let b = target {
                note(b, .unexpected)
            }
            if order <= 0 {
                report.sourceRows += 1
                if report.sourceRows % 10_000 == 0 {
                    progress(Progress(rows: report.sourceRows, differences: findings.count))
                }
                source = try left.next()
            }
            if order >= 0 {
                report.targetRows += 1
                target = try right.next()
            }
        }
    }

    private func recheck(
        _ findings: [Finding], _ left: VerifiedTable, _ right: VerifiedTable, _ plan: VerifyPlan
    ) throws -> [Finding] {
        var remaining: [Finding] = []
        for var finding in findings {
            let source = try left.row(plan.columns.map(\.source), key: finding.key)
            let target = try right.row(plan.columns.map(\.target), key: finding.key)
            switch (source, target) {
            case (nil, nil): continue
            case (.some, nil): finding.fault = .missing
            case (nil, .some): finding.fault = .unexpected
            case (let source?, let target?):
                let different = plan.differences(source, target)
                if different.isEmpty { continue }
                finding.fault = .different(different)
            }
            remaining.append(finding)
        }
        return remaining
    }

    /// Negative if the source's row comes first, or alone; 0 if both have the same key.
    private static func order(_ source: [VerifyValue]?, _ target: [VerifyValue]?, _ keyCount: Int) -> Int {
        guard let source else { return 1 }
        guard let target else { return -1 }
        for index in 0..<keyCount {
            let order = source[index].order(target[index])
            if order != 0 { return order }
        }
        return 0
    }
}
