<?php
// Receives callbacks of iamport-relay and checks their signatures. PHP 8 and newer, nothing to install.
//
// RELAY_ENDPOINT_SECRET=whsec_… php -S 127.0.0.1:3000 verify.php

declare(strict_types=1);

// Seconds between the relay's clock and ours: older callbacks may be replayed ones.
const TOLERANCE = 300;

/** Whether these are headers and body (as it came, before any parsing) of a genuine callback. */
function verified(string $secret, string $id, string $timestamp, string $signatures, string $body): bool
{
    if (!preg_match('/^[0-9]{1,12}$/D', $timestamp) || abs(time() - (int) $timestamp) > TOLERANCE) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    // While a secret is being replaced there is a signature by each; hash_equals takes the same time for all.
    $found = false;
    foreach (explode(' ', $signatures) as $one) {
        $found = hash_equals($expected, $one) || $found;
    }
    return $found;
}

$body = file_get_contents('php://input');
$genuine = verified(
    getenv('RELAY_ENDPOINT_SECRET'),
    $_SERVER['HTTP_WEBHOOK_ID'] ?? '',
    $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '',
    $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '',
    $body,
);
if ($genuine) {
    $event = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
    error_log("{$event['type']} {$event['id']}");
}
http_response_code($genuine ? 204 : 401);
