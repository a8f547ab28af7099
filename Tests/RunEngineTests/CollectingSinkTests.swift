import TestSupport
import Testing

@testable import RunEngine

@Suite("Bytes of facts")
struct CollectingSinkTests {
    private func write(_ bytes: [UInt8], to sink: CollectingSink) throws { try unsafe sink.write(bytes.span.bytes) }

    @Test("notes when how many bytes were there")
    func arrivals() throws {
        let time = TestTime()
        let sink = CollectingSink(limit: 100, time: time)
        try write([1, 2, 3], to: sink)
        time.advance(by: .seconds(2))
        try write([4, 5], to: sink)
        #expect(sink.arrival(of: 3) == .seconds(1000))
        #expect(sink.arrival(of: 4) == .seconds(1002))
        #expect(sink.arrival(of: 5) == .seconds(1002))
        #expect(sink.arrival(of: 6) == nil)
    }

    @Test("without a clock nothing is noted, and everything kept")
    func noClock() throws {
        let sink = CollectingSink(limit: 5)
        try write([1, 2, 3], to: sink)
        #expect(sink.arrival(of: 1) == nil)
        #expect(sink.bytes == [1, 2, 3])
        #expect(throws: StepFault.self) { try write([1, 2, 3], to: sink) }
        #expect(sink.bytes == [1, 2, 3])
    }
}
