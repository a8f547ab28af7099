import Foundation
import Synchronization

/// A web server of Python's on loopback that keeps what it was sent.
///
/// `/ok` answers 204, `/error` 500, `/moved` 302, and `/never` nothing, ever.
final class WebhookServer: Sendable {
    struct Request: Decodable {
        let method: String
        let path: String
        let headers: [String: String]
        let body: String
        /// The signature as Python's hmac finds it with the key `the key`.
        let signature: String
    }

    private static let program = """
        import hashlib, hmac, http.server, json, os, sys, threading
        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                stamp = self.headers.get('X-Rollbook-Timestamp', '')
                mac = hmac.new(b'the key', stamp.encode() + b'.' + body, hashlib.sha256).hexdigest()
                print(json.dumps({'method': self.command, 'path': self.path, 'headers': dict(self.headers),
                    'body': body.decode(), 'signature': 'sha256=' + mac}), flush=True)
                if self.path.startswith('/never'): threading.Event().wait()
                self.send_response({'/error': 500, '/moved': 302}.get(self.path, 204))
                self.send_header('Location', '/ok')
                self.end_headers()
            do_GET = do_POST = answer
            def log_message(self, *words): pass
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        print(json.dumps(server.server_port), flush=True)
        server.serve_forever()
        """

    let port: Int
    /// The server ends when this is closed, by whatever way the test ends.
    private let input: Mutex<FileHandle>
    private let lines: Mutex<FileHandle>

    init() throws {
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", Self.program]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        guard let port = Self.line(of: output.fileHandleForReading).flatMap({ Int($0) }) else {
            throw CocoaError(.fileReadUnknown)
        }
        self.input = Mutex(input.fileHandleForWriting)
        self.port = port
        lines = Mutex(output.fileHandleForReading)
    }

    deinit { input.withLock { try? $0.close() } }

    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    /// The next request, which has been sent already.
    func next() throws -> Request {
        let line = lines.withLock { Self.line(of: $0) } ?? ""
        return try JSONDecoder().decode(Request.self, from: Data(line.utf8))
    }

    private static func line(of file: FileHandle) -> String? {
        var bytes = Data()
        while let byte = try? file.read(upToCount: 1), byte.first != UInt8(ascii: "\n") {
            guard !byte.isEmpty else { return nil }
            bytes += byte
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
