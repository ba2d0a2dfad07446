extension LogState {
    mutating func applyRetention(now: Int64) throws(StorageError) -> Int {
        try checkUsable()
        producers.expire(now: now, age: configuration.producerIDExpirationMs)
        var deleted = try deleteSegmentsBeforeStart()
        guard configuration.cleanupPolicy.contains(.delete) else { return deleted }
        let retentionMs = configuration.retentionMs
        if retentionMs >= 0 {
            deleted += try deleteOldest(now: now) { segment throws(StorageError) in
                let timestamp = try segment.largestTimestamp().timestamp
                return now - (timestamp >= 0 ? timestamp : segment.created) > retentionMs
            }
        }
        if configuration.retentionBytes >= 0 {
            var excess = segments.reduce(0) { $0 + $1.size } - configuration.retentionBytes
            deleted += try deleteOldest(now: now) { segment throws(StorageError) in
                guard segment.size > 0, excess >= segment.size else { return false }
                excess -= segment.size
                return true
            }
        }
        return deleted
    }

    mutating func deleteRecords(before offset: Int64) throws(StorageError) -> Int64 {
        try checkUsable()
        let offset = offset == -1 ? logEndOffset : offset
        guard offset >= 0, offset <= logEndOffset else {
            throw StorageError(
                .offsetOutOfRange,
                "\(name): records before \(offset) cannot be deleted, the log ends at \(logEndOffset)")
        }
        logStartOffset = max(logStartOffset, offset)
        _ = try deleteSegmentsBeforeStart()
        return logStartOffset
    }

    private mutating func deleteSegmentsBeforeStart() throws(StorageError) -> Int {
        var count = 0
        while segments.count > 1, segments[1].baseOffset <= logStartOffset {
            try deleteFirst()
            count += 1
        }
        return count
    }

    /// Deletes segments from the oldest on while `isDue` holds. If it holds for the active one too, that is sealed first, so
    /// that the log's end stays known.
    private mutating func deleteOldest(
        now: Int64, _ isDue: (LogSegment) throws(StorageError) -> Bool
    ) throws(StorageError) -> Int {
        var count = 0
        while active.size > 0 || segments.count > 1, try isDue(segments[0]) {
            if segments.count == 1 { try roll(now: now) }
            try deleteFirst()
            count += 1
        }
        return count
    }

    /// Takes the first segment off the list, so that no reader finds it. Its files are removed after the lock has been given
    /// back: that can take long. Readers that have a slice of it keep the open file.
    private mutating func deleteFirst() throws(StorageError) {
        let first = segments.removeFirst()
        transactionIndexes[first.baseOffset] = nil
        doomedFiles += first.paths
        let start = segments[0].baseOffset
        logStartOffset = max(logStartOffset, start)
        directoriesToSync.insert(directory)
        for offset in snapshots where offset < start { try removeSnapshot(offset) }
        snapshots.removeAll { $0 < start }
    }
}
