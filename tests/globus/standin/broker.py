"""The stand-in's end of RabbitMQ: queues for endpoints, commands and tasks out, results and heartbeats in."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import pika
import pika.exceptions
from globus_compute_common import messagepack
from globus_compute_common.messagepack.message_types import EPStatusReport, Result

__all__ = ["Broker", "Listener"]

Json = dict[str, Any]
_Returned = TypeVar("_Returned")
# RabbitMQ drops what nobody fetched; a command is only worth anything while its endpoint listens.
_COMMAND_TTL_MS = "60000"


class Listener(Protocol):
    """Who hears what endpoints say."""

    def on_result(self, result: Result) -> str | None:
        """Take a result; return the queue of a client that listens for it."""

    def on_heartbeat(self, endpoint: str, report: Json) -> None:
        """Take a status report."""


class Broker:
    """One connection that publishes, under a lock, and one thread that consumes; both survive a restart of RabbitMQ."""

    def __init__(self, url: str, listener: Listener) -> None:
        self.url = url
        self._listener = listener
        self._lock = threading.RLock()
        self._connection: Any = None
        self._channel: Any = None
        self._bulk: Any = None
        self._stopping = threading.Event()
        self._consumer = threading.Thread(target=self._consume, name="stand-in consumer")

    def start(self) -> None:
        """Declare the service's exchanges and queues, and begin to listen."""

        def declare(channel: Any) -> None:
            for name in ("tasks", "commands"):
                channel.exchange_declare(name, "direct", durable=True)
            for name in ("results", "heartbeats"):
                channel.exchange_declare(name, "topic", durable=True)
                channel.queue_declare(name, durable=True)
                channel.queue_bind(name, name, f"*.{name}")

        self._call(declare)
        self._consumer.start()

    def stop(self) -> None:
        """Hang up."""
        self._stopping.set()
        self._consumer.join()
        with self._lock:
            self._connection.close()

    def core_queues(self, endpoint: str) -> Json:
        """Declare a core endpoint's queue of commands, and return what the service answers to a registration."""
        queue = f"{endpoint}.commands"
        self._call(lambda channel: (channel.queue_declare(queue, durable=True), channel.queue_bind(queue, "commands", queue)))
        return {
            "endpoint_id": endpoint,
            "command_queue_info": {"connection_url": self.url, "exchange": "commands", "queue": queue},
            "heartbeat_queue_info": self._outgoing("heartbeats", endpoint),
            "result_queue_info": self._outgoing("results", endpoint),
            "warnings": [],
        }

    def user_queues(self, endpoint: str) -> Json:
        """Declare a user endpoint process' queue of tasks, and return its credentials."""
        queue = f"{endpoint}.tasks"
        self._call(lambda channel: (channel.queue_declare(queue, durable=True), channel.queue_bind(queue, "tasks", queue)))
        return {
            "endpoint_id": endpoint,
            "task_queue_info": {"connection_url": self.url, "exchange": "tasks", "queue": queue},
            "result_queue_info": self._outgoing("results", endpoint),
            "heartbeat_queue_info": self._outgoing("heartbeats", endpoint),
        }

    def group_queue(self, queue: str) -> None:
        """Declare the queue on which a client hears the results of a task group."""
        self._call(lambda channel: channel.queue_declare(queue, durable=True, arguments={"x-expires": 3_600_000}))

    def publish_command(self, endpoint: str, body: Json) -> None:
        """Send a command to a core endpoint."""
        properties = pika.BasicProperties(
            content_type="application/json",
            content_encoding="utf-8",
            timestamp=int(time.time()),
            delivery_mode=2,
            expiration=_COMMAND_TTL_MS,
            app_id="stand-in",
        )
        queue, text = f"{endpoint}.commands", json.dumps(body).encode()
        self._call(lambda channel: channel.basic_publish("commands", queue, text, properties, mandatory=True))

    def publish_tasks(self, endpoint: str, messages: Sequence[tuple[Json, bytes]]) -> None:
        """Send tasks, each with its headers, to a user endpoint process."""
        queue = f"{endpoint}.tasks"

        def publish(_: Any) -> None:
            for headers, body in messages:
                properties = pika.BasicProperties(
                    content_type="application/json", content_encoding="utf-8", delivery_mode=2, headers=headers
                )
                self._bulk.basic_publish("tasks", queue, body, properties)
            # A channel's operations are carried out in order: this answer says that all of them arrived.
            self._bulk.queue_declare(queue, passive=True)

        self._call(publish)

    def _outgoing(self, exchange: str, endpoint: str) -> Json:
        publish = {"exchange": exchange, "routing_key": f"{endpoint}.{exchange}", "mandatory": True}
        return {
            "connection_url": self.url,
            "exchange": exchange,
            "queue": exchange,
            "queue_publish_kwargs": publish | {"properties": {"delivery_mode": 2}},
        }

    def _connect(self) -> Any:
        parameters = pika.URLParameters(self.url)
        parameters.heartbeat = 0  # the publishing connection sits idle between calls
        return pika.BlockingConnection(parameters)

    def _open(self) -> None:
        self._connection = self._connect()
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._bulk = self._connection.channel()

    def _call(self, function: Callable[[Any], _Returned]) -> _Returned:
        with self._lock:
            if self._connection is None:
                self._open()
            try:
                return function(self._channel)
            except pika.exceptions.AMQPError:  # RabbitMQ was restarted
                self._open()
                return function(self._channel)

    def _consume(self) -> None:
        while not self._stopping.is_set():
            try:
                connection = self._connect()
                channel = connection.channel()
                channel.basic_qos(prefetch_count=256)
                channel.basic_consume("results", self._on_result)
                channel.basic_consume("heartbeats", self._on_heartbeat)
                while not self._stopping.is_set():
                    connection.process_data_events(time_limit=0.2)
                connection.close()
            except pika.exceptions.AMQPError:
                self._stopping.wait(0.5)

    def _on_result(self, channel: Any, method: Any, properties: object, body: bytes) -> None:
        message = messagepack.unpack(body)
        assert isinstance(message, Result)
        queue = self._listener.on_result(message)
        if queue is not None:
            channel.basic_publish("", queue, body, pika.BasicProperties(content_type="application/json", delivery_mode=2))
        channel.basic_ack(method.delivery_tag)

    def _on_heartbeat(self, channel: Any, method: Any, properties: object, body: bytes) -> None:
        message = messagepack.unpack(body)
        assert isinstance(message, EPStatusReport)
        self._listener.on_heartbeat(str(message.endpoint_id), message.global_state)
        channel.basic_ack(method.delivery_tag)
