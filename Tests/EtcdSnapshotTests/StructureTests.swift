import EtcdSnapshot
import Testing

@Suite("Broken structure is found and placed")
struct StructureTests {
    /// A snapshot with a branch over several leaves in the bucket `key`.
    private let whole: Patient
    private let leaf: Int
    private let branch: Int

    init() throws {
        whole = Patient(try Fixture("kubernetes-3.5.16").bytes)
        branch = try #require(whole.firstPage(flags: 1))
        leaf = Int(whole.number(at: branch * 4_096 + 16 + 8, width: 8))
    }

    private func fault(_ change: (inout Patient) -> Void) -> SnapshotProblem? {
        var patient = whole
        change(&patient)
        return problem(in: patient.sealed())
    }

    @Test("a page that says it is another")
    func pageID() {
        let found = fault { $0.set(77, at: leaf * 4_096, width: 8) }
        #expect(found == SnapshotProblem(.pageIDMismatch(found: 77), page: UInt64(leaf), bucket: "key"))
        #expect(found?.description == "page \(leaf) of bucket \"key\": says that it is page 77")
    }

    @Test("a page with flags of no tree page")
    func flags() {
        #expect(fault { $0.set(3, at: leaf * 4_096 + 8, width: 2) }?.fault == .pageFlags(found: 3))
        #expect(fault { $0.set(0x10, at: leaf * 4_096 + 8, width: 2) }?.fault == .pageFlags(found: 0x10))
    }

    @Test("a child that does not exist, or is a meta page")
    func outOfBounds() {
        let at = branch * 4_096 + 16 + 8
        for page in [0, 1, UInt64(whole.pages), UInt64(UInt32.max), UInt64.max] {
            let found = fault { $0.set(page, at: at, width: 8) }
            #expect(found?.fault == .pageOutOfBounds(highWater: UInt64(whole.pages - 1)))
            #expect(found?.page == page)
        }
    }

    @Test("a page that goes on beyond the end")
    func overflow() {
        #expect(
            fault { $0.set(1_000_000, at: leaf * 4_096 + 12, width: 4) }?.fault
                == .pageOutOfBounds(highWater: UInt64(whole.pages - 1))
        )
    }

    @Test("a page that two elements refer to, and a branch that refers to itself")
    func visitedTwice() {
        let second = branch * 4_096 + 16 + 16 + 8
        let twice = fault { $0.set(UInt64(leaf), at: second, width: 8) }
        #expect(twice == SnapshotProblem(.pageVisitedTwice, page: UInt64(leaf), bucket: "key"))
        let loop = fault { $0.set(UInt64(branch), at: second, width: 8) }
        #expect(loop == SnapshotProblem(.pageVisitedTwice, page: UInt64(branch), bucket: "key"))
    }

    @Test("a branch without children")
    func emptyBranch() {
        #expect(fault { $0.set(0, at: branch * 4_096 + 10, width: 2) }?.fault == .emptyBranch)
    }

    @Test("elements outside their page, on top of each other, or without a key")
    func elements() {
        let first = leaf * 4_096 + 16
        #expect(fault { $0.set(60_000, at: first + 4, width: 4) }?.fault == .elementOutOfBounds(index: 0))
        #expect(fault { $0.set(UInt64(UInt32.max), at: first + 12, width: 4) }?.fault == .elementOutOfBounds(index: 0))
        #expect(fault { $0.set(0, at: first + 4, width: 4) }?.fault == .elementsOverlap(index: 0))
        let position = whole.number(at: first + 4, width: 4)
        #expect(fault { $0.set(position - 16, at: first + 16 + 4, width: 4) }?.fault == .elementsOverlap(index: 1))
        #expect(fault { $0.set(0, at: first + 8, width: 4) }?.fault == .keyLength(index: 0, bytes: 0))
        #expect(fault { $0.set(9, at: first, width: 4) }?.fault == .elementFlags(index: 0, found: 9))
        #expect(fault { $0.set(0xffff, at: leaf * 4_096 + 10, width: 2) }?.fault == .elementOutOfBounds(index: 255))
    }

    @Test("keys out of order, and keys that belong to another page")
    func order() {
        // The last byte of a revision's sub part: 16 bytes into the key.
        let first = leaf * 4_096 + 16
        let key = first + Int(whole.number(at: first + 4, width: 4))
        #expect(fault { $0[byte: key + 16] = 0x50 }?.fault == .keysOutOfOrder(index: 1))
        let second = branch * 4_096 + 32
        let branchKey = second + Int(whole.number(at: second, width: 4))
        #expect(fault { $0[byte: branchKey + 16] += 1 }?.fault == .keyOutsideBranch(index: 0))
        let lastIndex = Int(whole.number(at: leaf * 4_096 + 10, width: 2)) - 1
        #expect(fault { $0[byte: branchKey + 16] -= 1 }?.fault == .keyOutsideBranch(index: lastIndex))
    }

    @Test("a bucket in a bucket, and a plain value among the buckets")
    func bucketPlaces() throws {
        #expect(fault { $0.set(1, at: leaf * 4_096 + 16, width: 4) }?.fault == .nestedBucket(index: 0))
        let nested = try #require(problem(in: Fixture.load("nested.db")))
        #expect(nested.fault == .nestedBucket(index: 0))
        #expect(nested.bucket == "lease")
        let root = Int(whole.number(at: 16 + 16, width: 8))
        #expect(fault { $0.set(0, at: root * 4_096 + 16, width: 4) }?.fault == .notABucket(index: 0))
    }

    @Test("records that are no revisions or claim another one")
    func records() {
        let first = leaf * 4_096 + 16
        let key = first + Int(whole.number(at: first + 4, width: 4))
        #expect(fault { $0[byte: key + 8] = 0x60 }?.fault == .revisionKey)
        #expect(fault { $0.set(16, at: first + 8, width: 4) }?.bucket == "key")
        guard case .revisionRecord(revision: 2, .malformed)? = fault({ $0[byte: key + 17] = 0x0f })?.fault else {
            Issue.record("a record of an unknown wire type was read")
            return
        }
        // create_revision and mod_revision follow the user key; both are 2 in the first record.
        let userKey = Int(whole.bytes[key + 18])
        let modRevision = key + 19 + userKey + 3
        #expect(whole.bytes[modRevision - 1] == 0x18 && whole.bytes[modRevision] == 2)
        #expect(
            fault { $0[byte: modRevision] = 9 }?.fault == .revisionRecord(revision: 2, .claimsRevision(9))
        )
    }

    @Test("one damaged meta page is survived, two are not")
    func metaPages() throws {
        var second = whole
        second[byte: 4_096 + 16 + 50] ^= 1
        #expect(problem(in: second.sealed()) == nil)
        var first = whole
        first[byte: 16 + 50] ^= 1
        let report = try SnapshotVerifier().verify(MemoryBytes(first.sealed()))
        #expect(report.pageSize == 4_096)
        first[byte: 4_096 + 16 + 50] ^= 1
        #expect(problem(in: first.sealed())?.fault == .noValidMeta)
        #expect(fault { $0.setMeta(3, at: 4, width: 4) }?.fault == .noValidMeta)
        #expect(fault { $0.setMeta(4_095, at: 8, width: 4) }?.fault == .noValidMeta)
    }

    @Test("lengths that no file has do not overflow")
    func highWater() {
        #expect(fault { $0.setMeta(.max, at: 40, width: 8) }?.fault == .truncated(expected: .max, actual: 53_248))
        #expect(fault { $0.setMeta(14, at: 40, width: 8) }?.fault == .truncated(expected: 57_344, actual: 53_248))
        #expect(fault { $0.setMeta(12, at: 40, width: 8) }?.fault == .trailingBytes(expected: 49_152, actual: 53_248))
        #expect(fault { $0.setMeta(0, at: 16, width: 8) }?.fault == .pageOutOfBounds(highWater: 12))
    }

    @Test("a tree deeper than 32 levels")
    func depth() {
        // Branches of one child each, in a row; each with the key that the leaf below begins with.
        var patient = Patient([UInt8](repeating: 0, count: 40 * 4_096 + 32))
        patient.bytes.replaceSubrange(0..<8_192, with: whole.bytes[0..<8_192])
        patient.setMeta(40, at: 40, width: 8)
        patient.setMeta(3, at: 16, width: 8)
        for page in 3..<40 {
            let start = page * 4_096
            patient.set(UInt64(page), at: start, width: 8)
            patient.set(1, at: start + 8, width: 2)
            patient.set(1, at: start + 10, width: 2)
            patient.set(16, at: start + 16, width: 4)
            patient.set(1, at: start + 20, width: 4)
            patient.set(UInt64(page + 1), at: start + 24, width: 8)
        }
        patient.sealMeta()
        #expect(problem(in: patient.sealed()) == SnapshotProblem(.depthExceeded(limit: 32), page: 35))
    }
}

@Suite("The stored list of free pages")
struct FreelistTests {
    private let whole: Patient
    private let list: Int

    init() throws {
        whole = Patient(try Fixture("stored-freelist").bytes)
        list = try #require(whole.firstPage(flags: 0x10, count: 1...1_000))
    }

    private func fault(_ change: (inout Patient) -> Void) -> SnapshotProblem? {
        var patient = whole
        change(&patient)
        return problem(in: patient.sealed())
    }

    @Test("a page in use and free at once")
    func inUse() throws {
        let leaf = try #require(whole.firstPage(flags: 1))
        #expect(fault { $0.set(UInt64(leaf), at: list * 4_096 + 16, width: 8) }?.fault == .pageInFreelist)
    }

    @Test("entries that do not exist, are listed twice, or are more than there is room for")
    func entries() {
        let first = list * 4_096 + 16
        #expect(fault { $0.set(.max, at: first, width: 8) }?.fault == .freelistInvalid(.entryOutOfBounds(.max)))
        #expect(
            fault { $0.set(UInt64(list), at: first, width: 8) }?.fault
                == .freelistInvalid(.entryOutOfBounds(UInt64(list)))
        )
        #expect(fault { $0.set(0xfffe, at: list * 4_096 + 10, width: 2) }?.fault == .freelistInvalid(.count(0xfffe)))
        let endless = fault {
            $0.set(0xffff, at: list * 4_096 + 10, width: 2)
            $0.set(.max / 8, at: first, width: 8)
        }
        #expect(endless?.fault == .freelistInvalid(.count(.max / 8)))
        let count = whole.number(at: list * 4_096 + 10, width: 2)
        let entry = whole.number(at: first, width: 8)
        let twice = fault {
            $0.set(count + 1, at: list * 4_096 + 10, width: 2)
            $0.set(entry, at: first + Int(count) * 8, width: 8)
        }
        #expect(twice?.fault == .freelistInvalid(.listedTwice(entry)))
    }

    @Test("the long form of the count is read")
    func longCount() {
        let first = list * 4_096 + 16
        let count = Int(whole.number(at: list * 4_096 + 10, width: 2))
        let entries = (0..<count).map { whole.number(at: first + $0 * 8, width: 8) }
        var patient = whole
        patient.set(0xffff, at: list * 4_096 + 10, width: 2)
        patient.set(UInt64(count), at: first, width: 8)
        for (index, entry) in entries.enumerated() { patient.set(entry, at: first + 8 + index * 8, width: 8) }
        #expect(problem(in: patient.sealed()) == nil)
    }

    @Test("a page that is neither in use nor free")
    func unaccounted() {
        let found = fault { $0.set(0, at: list * 4_096 + 10, width: 2) }
        #expect(found?.fault == .pageUnaccounted)
        #expect(found?.page == whole.number(at: list * 4_096 + 16, width: 8))
    }
}
